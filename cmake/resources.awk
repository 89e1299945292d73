# From the words of ptxas to a table, one row for each of our kernels and each architecture; what is wrong is said
# behind it, and then the exit status is 1.
#
# Blocks a multiprocessor: the fewest of those that threads, registers (given out to a warp in units of 256) and shared
# memory allow. In flight: the bytes of global memory that those blocks ask for before they wait for any.

function max(a, b) { return a > b ? a : b }
function min(a, b) { return a < b ? a : b }

BEGIN {
  # CUDA C++ Programming Guide, technical specifications: threads and KiB of shared memory of a multiprocessor.
  split("75 1024 64 80 2048 164 86 1536 100 89 1536 100 90 2048 228 100 2048 228 103 2048 228 120 1536 100", t, " ")
  for (i = 1; i in t; i += 3) { threads_of[t[i]] = t[i + 1]; shared_of[t[i]] = t[i + 2] * 1024 }
  # KiB that keep memory busy, by Little's law: bandwidth times about 0.8 us, for a multiprocessor. On B200 (100) that
  # would be 43; two thirds of it are demanded.
  split("75 6 80 12 86 8 89 7 90 18 100 28 103 28 120 8", t, " ")
  for (i = 1; i in t; i += 2) needed_of[t[i]] = t[i + 1] * 1024
  print "| kernel | sm | registers | static shared | threads | dynamic shared | blocks | KiB in flight |"
  print "|---|---|---|---|---|---|---|---|"
}

/Compiling entry function/ {
  arch = $0; sub(/.* for 'sm_/, "", arch); sub(/[a-z]*'.*/, "", arch)
  name = $0; sub(/.*entry function '/, "", name); sub(/' for 'sm_.*/, "", name)
  frame = spills = registers = shared = 0
}
/bytes stack frame/ { frame = $1; spills = $5 + $9 }
/Used [0-9]+ registers/ {
  registers = $0; sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
  if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH) + 0
  if (name ~ /softwarp::/) describe()
}

# "void softwarp::held_rows_kernel<softwarp::Softmax<float, float, false>, 8>(...)": held_rows_kernel<Softmax<...>, 8>
function short(name) {
  gsub(/softwarp::|\(anonymous namespace\)::|_NV_ANON_NAMESPACE::/, "", name)
  gsub(/\(bool\)1/, "true", name); gsub(/\(bool\)0/, "false", name); gsub(/\(int\)/, "", name)
  sub(/^void /, "", name)
  sub(/>\(.*/, ">", name); if (name !~ />$/) sub(/\(.*/, "", name)
  return name
}

# Bytes of the op's inputs in a vector, all inputs together; 0: not one of the row ops.
function vector_bytes(kernel) {
  if (kernel ~ /(half|bfloat16), float|CrossEntropy<__(half|nv_bfloat16), true/) return 8
  if (kernel ~ /Backward/) return 32
  return 16
}

function blocks_with(threads, dynamic,    by_registers, by_shared, limit, warp_registers) {
  limit = threads_of[arch]
  warp_registers = int((registers * 32 + 255) / 256) * 256
  by_registers = int(65536 / (warp_registers * threads / 32))
  by_shared = int(shared_of[arch] / (shared + dynamic + 1024))
  return min(min(int(limit / threads), 32), min(by_registers, by_shared))
}

function row(kernel, threads, dynamic, bytes_of_thread,    blocks, flight, most) {
  blocks = blocks_with(threads, dynamic)
  flight = blocks * threads * bytes_of_thread
  printf "| `%s` | %d | %d | %d | %d | %d | %d | %.0f |\n", kernel, arch, registers, shared, threads, dynamic, blocks, flight / 1024
  ++rows
  if (blocks < 1) wrong[++faults] = kernel ", sm_" arch ": no block of " threads " threads fits"
  # Threads that have one or two loads to make cannot have more: half of them will do. Arithmetic, not memory,
  # bounds double; and label smoothing reads weights beside the logits, which stay in the caches.
  most = kernel ~ /<double|CrossEntropy<[^,]*, true/ ? 0 : threads_of[arch] * bytes_of_thread * 0.5
  if (bytes_of_thread > 0 && flight < min(needed_of[arch], most))
    wrong[++faults] = kernel ", sm_" arch ": " registers " registers leave " flight " bytes in flight, " min(needed_of[arch], most) " needed"
}

function describe(    kernel, vectors, bytes, inputs) {
  kernel = short(name)
  if (!(arch in threads_of)) wrong[++faults] = kernel ": resources.awk does not know sm_" arch
  if (frame > 0 || spills > 0) wrong[++faults] = kernel ", sm_" arch ": " frame " bytes of stack, " spills " bytes spilled"
  bytes = vector_bytes(kernel)
  inputs = kernel ~ /Backward/ ? 2 : 1
  if (kernel ~ /^held_rows/) {
    vectors = kernel; sub(/.*, /, "", vectors); sub(/>$/, "", vectors)
    row(kernel, 128, 0, vectors * bytes)
    if (vectors >= 4) row(kernel, 512, 0, vectors * bytes)
  } else if (kernel ~ /^streamed_rows/) {
    # A multiprocessor's shared memory for itself.
    row(kernel, 512, 48 * 1024, 64)
  } else if (kernel ~ /^flat_rows/) {
    row(kernel, 128, 4096 * (inputs + 1), 32 * inputs)
  } else {
    row(kernel, 256, 0, 0)
  }
}

END {
  for (i = 1; i <= faults; ++i) print wrong[i]
  if (faults || !rows) { print "check_resources: " faults " faults in " rows " rows"; exit 1 }
  print "check_resources: " rows " rows, no spills, no local memory"
}
