# The short commands. The work is in the presets (cmake --list-presets), which can be used directly.
# ARGS is handed to what runs in the end: make train ARGS="--epochs 3".

.DEFAULT_GOAL := help
.PHONY: help train test bench roofline format check-format clean packages packages-program

help:
	@echo 'softwarp: softmax and multilayer perceptrons on NVIDIA GPUs and CPUs'
	@echo
	@echo '  make train         build, then train on MNIST: on the GPU if there is one, otherwise on the CPU'
	@echo '  make test          build and run the tests'
	@echo '  make bench         build and run a short selection of the benchmarks; the results are in bench-results/'
	@echo '  make roofline      predict what the kernels take on five GPUs (bench-results/roofline.md); needs nvcc, no GPU'
	@echo '  make format        lay out the sources with clang-format'
	@echo '  make check-format  say where they are not so laid out'
	@echo '  make clean         remove what was built'
	@echo
	@echo 'Each installs the Debian packages it misses first (cmake/packages.txt); that needs root or sudo.'
	@echo 'make train ARGS="--epochs 3 --hidden 128" hands flags on; build/train/softwarp --help lists them.'
	@echo 'After installing CUDA, make clean lets the next make train look for it again.'

packages:
	@cmake/install_packages.sh

packages-program:
	@cmake/install_packages.sh program

# ninja runs CMake again by itself when a CMakeLists.txt changes; only the presets it does not watch.
configure = cmake --preset $(notdir $(@D)) && touch $@
build/train/build.ninja: CMakePresets.json | packages-program
	$(configure)
build/%/build.ninja: CMakePresets.json | packages
	$(configure)

train: build/train/build.ninja
	cmake --build --preset train
	build/train/softwarp train $(ARGS)

test: build/cpu/build.ninja
	cmake --build --preset cpu
	ctest --preset cpu --parallel $$(nproc) $(ARGS)

bench: build/bench/build.ninja
	cmake --build --preset bench
	bench/run.sh build/bench/bench bench-results

roofline: build/roofline/build.ninja
	cmake --build --preset roofline
	bench/roofline/run.sh build/roofline bench-results

format: packages
	@cmake/check_format.sh --fix

check-format: packages
	@cmake/check_format.sh

clean:
	rm -rf build
