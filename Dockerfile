# One image for both planes: `controlplane`, `dataplane` and `pointsman` are in its PATH.
# BASE: any image with Python 3.11 or newer (with venv) as python3.  BUILDER: the same with a C compiler and Python's headers, for the request
# path; without them it stays interpreted.
ARG BASE=python:3.11-slim-bookworm
ARG BUILDER=python:3.11-bookworm

FROM ${BUILDER} AS build
# Without access to a package index: put wheels into wheelhouse/ and build with --build-arg PIP_NO_INDEX=1.
ARG PIP_NO_INDEX=
ENV PIP_NO_INDEX=${PIP_NO_INDEX} PIP_FIND_LINKS=/build/wheelhouse PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/runtime.txt requirements/build.txt wheelhous[e] wheelhouse/
RUN python3 -m venv /opt/pointsman \
 && /opt/pointsman/bin/pip install --no-cache-dir --require-hashes -r wheelhouse/runtime.txt \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r wheelhouse/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY dataplane dataplane
COPY controlplane controlplane
COPY tools/compiled.py tools/
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/dist \
 && /opt/pointsman/bin/pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl \
 && packages='import sysconfig; print(sysconfig.get_path("purelib"))' \
 && PYTHONPATH=$(/opt/build/bin/python -c "$packages") /opt/pointsman/bin/python -m tools.compiled --optional \
 && if [ -d build/compiled ]; then rm build/compiled/SOURCES && cp -R build/compiled/. "$(/opt/pointsman/bin/python -c "$packages")"; fi \
 && /opt/pointsman/bin/python -m compileall -q /opt/pointsman/lib

FROM ${BASE}
COPY --from=build /opt/pointsman /opt/pointsman
ENV PATH=/opt/pointsman/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# The store's volume takes its owner from here.
RUN mkdir /data && chown 10001:10001 /data
USER 10001:10001
