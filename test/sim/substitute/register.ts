/** Loaded before everything else (`node --import`): modules that are named in the environment are read differently. */
import { register } from "node:module";

register("./hooks.js", import.meta.url, { data: JSON.parse(process.env["KVGW_SIM_SUBSTITUTES"] ?? "{}") as unknown });
