# To try it: docker build --tag dashboard-database-operator:0.1.0 .
# For others to run: make image PYTHON_IMAGE=python:3.13-slim@sha256:<digest>, which refuses a base without a digest.
#   docker buildx imagetools inspect python:3.13-slim   shows the digest of today.
# Another base, or a mirror, from Python 3.11 on: registry.example.com/python:3.13-slim@sha256:<digest>
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Dependencies first: this layer stays while only our own code changes. The environment gets no pip of its own.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/dashdb \
 && python -m pip --python /opt/dashdb/bin/python install --no-compile --require-hashes -r requirements.lock

# What builds the wheel is pinned too: hatchling and what it needs, out of the lock of the developers. Should it ever
# need more than these, pip says so and stops.
COPY requirements-dev.lock ./
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' \
      requirements-dev.lock > build.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes -r build.lock

COPY pyproject.toml README.md LICENSE ./
COPY controller controller
COPY crds crds
COPY docs/troubleshooting.md docs/troubleshooting.md
COPY migrations migrations
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
 && python -m pip --python /opt/dashdb/bin/python install --no-compile --no-deps /opt/wheel/*.whl

# 60 MB of the Kubernetes client are a class for each kind and call; the operator loads these three.
RUN find /opt/dashdb/lib -regex '.*/kubernetes/\(aio/\)?client/\(api\|models\)/.*\.py' ! -name __init__.py \
      ! -name v1_managed_fields_entry.py ! -name v1_object_meta.py ! -name v1_owner_reference.py -delete

# The root is read-only later, so nothing could be compiled then. `unchecked-hash`: the files never change, so Python
# need not look at each source first, and the same code gives the same bytes. `-f` because pip has left a few with times.
RUN python -m compileall -f -q -j 0 --invalidation-mode unchecked-hash /opt/dashdb/lib

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.title="dashboard-database-operator" \
      org.opencontainers.image.description="Keeps the PostgreSQL database behind a dashboards service in order" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is ever installed in a running container. The base has its standard library as source alone, which would be
# compiled at every start.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && python -m compileall -f -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|site-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/dashdb /opt/dashdb
ENV PATH=/opt/dashdb/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Numbers, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["dashdb"]
CMD ["operator"]
