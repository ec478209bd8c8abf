/** The process of one case: each begins with nothing in memory, so that what a case takes can be told. Started with the
 *  counted ports in place of those over NATS (`substitute/`). */
import { allowManyListeners } from "../../../src/system.js";
import type { ScaleCase } from "./case.js";
import { measure } from "./measure.js";

allowManyListeners();
process.on("message", (of: ScaleCase) => {
  void measure(of).then((result) => {
    process.send?.(result);
    process.disconnect();
  });
});
