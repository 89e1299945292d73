# The CUDA program, built with CUDA's own image and run with its runtime image:
#   docker build -t softwarp .
#   docker run --rm --gpus all -v "$PWD/out:/out" softwarp train --output /out/run
# Without --gpus it trains on the CPU. The architectures are nvcc's major ones; --build-arg ARCHITECTURES=90 builds for one.
ARG CUDA=13.0.1

FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
RUN apt-get update && apt-get install -y --no-install-recommends git make ca-certificates
COPY . /softwarp
WORKDIR /softwarp
RUN scripts/install_packages.sh program
ARG ARCHITECTURES=all-major
RUN cmake --preset cuda -DSOFTWARP_TESTS=OFF -DSOFTWARP_BENCHES=OFF -DCMAKE_CUDA_ARCHITECTURES=${ARCHITECTURES} \
 && cmake --build --preset cuda \
 && cmake --install build/cuda --prefix /opt/softwarp --strip

FROM nvidia/cuda:${CUDA}-runtime-ubuntu24.04
COPY --from=build /softwarp/scripts /tmp/scripts
RUN /tmp/scripts/install_packages.sh run && rm -rf /tmp/scripts /var/lib/apt/lists/*
COPY --from=build /opt/softwarp /opt/softwarp
ENV PATH=/opt/softwarp/bin:$PATH
ENTRYPOINT ["softwarp"]
CMD ["--help"]
