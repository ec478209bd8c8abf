/**
 * What a test process must not leave behind: children and temporary folders that it owns. Whatever is registered here is
 * released when the process ends, also when it crashes or is ended by a signal, which is how vitest ends its workers.
 * Only SIGKILL escapes this.
 */
const releases = new Set<() => void>();

/** `release` is synchronous and must not throw. The answer takes the registration back. */
export function atProcessEnd(release: () => void): () => void {
  if (!installed) install();
  releases.add(release);
  return () => void releases.delete(release);
}

let installed = false;

function install(): void {
  installed = true;
  process.on("exit", releaseAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      releaseAll();
      // The listener is gone, so this is the end that the signal would have brought without us.
      process.kill(process.pid, signal);
    });
  }
}

function releaseAll(): void {
  for (const release of releases) release();
  releases.clear();
}
