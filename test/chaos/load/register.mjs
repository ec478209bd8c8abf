/** Loaded before everything else (`node --import`): TypeScript runs where it stands, so that paths are those of the project. */
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
