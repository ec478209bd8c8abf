// tsc does not keep the executable bit; `kvgw` is started through it.
import { chmodSync } from "node:fs";

chmodSync(new URL("../dist/main.js", import.meta.url), 0o755);
