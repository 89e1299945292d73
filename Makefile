# The short commands. The presets (cmake --list-presets) do the work and can be used directly.
# A target passes ARGS to the last program that it runs: make train ARGS="--epochs 3".

# The preset that make test and make test-all build.
PRESET = cpu
# The GPUs that make gpu-bundle builds for: 90 is compute capability 9.0.
ARCH = 90

.DEFAULT_GOAL := help
.PHONY: help train test test-all bench roofline gpu-bundle docs format check-format clean

help:
	@echo 'softwarp: softmax and multilayer perceptrons on NVIDIA GPUs and CPUs'
	@echo
	@echo '  make train         build, then train on MNIST: on the GPU if there is one, otherwise on the CPU'
	@echo '  make test          build, and run the tests that are neither slow nor end to end (tests/labels.cmake)'
	@echo '  make test-all      all tests, also those that take long or need a browser, zsh, fish, TensorBoard or doxygen'
	@echo '  make bench         build and run a selection of the benchmarks, ARGS=short: a small one; the results are in bench-results/'
	@echo '  make roofline      predict the time of the kernels on six GPUs (bench-results/roofline.md); needs nvcc, no GPU'
	@echo '  make gpu-bundle    pack the programs that test and measure a GPU on another machine (docs/gpu.md); needs nvcc, no GPU'
	@echo '  make docs          write the API reference to build/docs/html, from the public headers'
	@echo '  make format        format the sources with clang-format'
	@echo '  make check-format  list the places that clang-format would change'
	@echo '  make clean         remove build/'
	@echo
	@echo 'All but make clean first install missing Debian packages (scripts/packages.txt), as root or by sudo.'
	@echo 'make train ARGS="--epochs 3 --hidden 128" passes flags on; build/train/softwarp train --help lists them.'
	@echo 'make test PRESET=dev makes warnings errors, for work on softwarp itself. ARGS="-L quick" runs a sample of the tests.'
	@echo 'After you install CUDA, run make clean, so that the next make train looks for it.'

# Installs the packages of these sections of scripts/packages.txt that are missing.
installs = packages-program packages-tests packages-all packages-bench packages-docs packages-format
.PHONY: $(installs)
packages-program: sections = program
packages-tests: sections = program tests
packages-all: sections = program tests more-tests bench docs
packages-bench: sections = program tests bench
packages-docs: sections = docs
packages-format: sections = format
$(installs):
	@scripts/install_packages.sh $(sections)

# ninja runs CMake again by itself when a CMakeLists.txt changes; only the presets it does not watch.
build/%/build.ninja: CMakePresets.json
	cmake --preset $(notdir $(@D)) && touch $@
build/train/build.ninja: | packages-program
build/$(PRESET)/build.ninja: | packages-tests
build/bench/build.ninja: | packages-bench
build/roofline/build.ninja: | packages-bench
build/gpu-%/build.ninja: CMakePresets.json | packages-bench
	cmake --preset cuda -B $(@D) -DCMAKE_CUDA_ARCHITECTURES=$* && touch $@

train: build/train/build.ninja
	cmake --build --preset train
	build/train/softwarp train $(ARGS)

test: build/$(PRESET)/build.ninja
	cmake --build --preset $(PRESET)
	ctest --preset $(PRESET) --parallel $$(nproc) --label-exclude '^(slow|e2e)$$' $(ARGS)

test-all: packages-all
	cmake --preset $(PRESET) -DSOFTWARP_BENCHES=ON
	cmake --build --preset $(PRESET)
	ctest --preset $(PRESET) --parallel $$(nproc) $(ARGS)

bench: build/bench/build.ninja
	cmake --build --preset bench
	bench/run.sh build/bench/bench bench-results $(ARGS)

roofline: build/roofline/build.ninja
	cmake --build --preset roofline
	bench/roofline/run.sh build/roofline bench-results

gpu-bundle: build/gpu-$(ARCH)/build.ninja
	cmake --build build/gpu-$(ARCH) --target gpu_programs
	bench/gpu/bundle.sh build/gpu-$(ARCH) build/gpu

docs: packages-docs
	@mkdir -p build/docs
	doxygen docs/Doxyfile

format: packages-format
	@scripts/check_format.sh --fix

check-format: packages-format
	@scripts/check_format.sh

clean:
	rm -rf build
