# The short commands. The work is in the presets (cmake --list-presets), which can be used directly.
# ARGS is handed to what runs in the end: make train ARGS="--epochs 3".

# The preset that make test and make test-all build.
PRESET = cpu
# The GPUs that make gpu-bundle builds for: 90 is compute capability 9.0.
ARCH = 90

.DEFAULT_GOAL := help
.PHONY: help train test test-all bench roofline gpu-bundle format check-format clean

help:
	@echo 'softwarp: softmax and multilayer perceptrons on NVIDIA GPUs and CPUs'
	@echo
	@echo '  make train         build, then train on MNIST: on the GPU if there is one, otherwise on the CPU'
	@echo '  make test          build and run the tests'
	@echo '  make test-all      the same, with what opens a browser, completes in zsh and fish and asks TensorBoard'
	@echo '  make bench         build and run a short selection of the benchmarks; the results are in bench-results/'
	@echo '  make roofline      predict what the kernels take on six GPUs (bench-results/roofline.md); needs nvcc, no GPU'
	@echo '  make gpu-bundle    pack what tests and measures a GPU elsewhere (build/gpu/bundle.tar.xz); needs nvcc, no GPU; ARCH=80'
	@echo '  make format        lay out the sources with clang-format'
	@echo '  make check-format  say where they are not so laid out'
	@echo '  make clean         remove what was built'
	@echo
	@echo 'Each installs the Debian packages it misses first (scripts/packages.txt); that needs root or sudo.'
	@echo 'make train ARGS="--epochs 3 --hidden 128" hands flags on; build/train/softwarp --help lists them; make bench ARGS=short.'
	@echo 'PRESET=dev makes warnings errors, for whoever works on softwarp: make test PRESET=dev.'
	@echo 'After installing CUDA, make clean lets the next make train look for it again.'

# Installs the packages of these sections of scripts/packages.txt that are missing.
installs = packages-program packages-tests packages-all packages-bench packages-format
.PHONY: $(installs)
packages-program: sections = program
packages-tests: sections = program tests
packages-all: sections = program tests more-tests bench
packages-bench: sections = program tests bench
packages-format: sections = format
$(installs):
	@scripts/install_packages.sh $(sections)

# ninja runs CMake again by itself when a CMakeLists.txt changes; only the presets it does not watch.
build/%/build.ninja: CMakePresets.json
	cmake --preset $(notdir $(@D)) && touch $@
build/train/build.ninja: | packages-program
build/$(PRESET)/build.ninja: | packages-tests
build/bench/build.ninja: | packages-bench
build/roofline/build.ninja: | packages-tests
build/gpu-%/build.ninja: CMakePresets.json | packages-tests
	cmake --preset cuda -B $(@D) -DCMAKE_CUDA_ARCHITECTURES=$* && touch $@

train: build/train/build.ninja
	cmake --build --preset train
	build/train/softwarp train $(ARGS)

test: build/$(PRESET)/build.ninja
	cmake --build --preset $(PRESET)
	ctest --preset $(PRESET) --parallel $$(nproc) $(ARGS)

test-all: packages-all test

bench: build/bench/build.ninja
	cmake --build --preset bench
	bench/run.sh build/bench/bench bench-results $(ARGS)

roofline: build/roofline/build.ninja
	cmake --build --preset roofline
	bench/roofline/run.sh build/roofline bench-results

gpu-bundle: build/gpu-$(ARCH)/build.ninja
	cmake --build build/gpu-$(ARCH) --target gpu_programs
	bench/gpu/bundle.sh build/gpu-$(ARCH) build/gpu

format: packages-format
	@scripts/check_format.sh --fix

check-format: packages-format
	@scripts/check_format.sh

clean:
	rm -rf build
