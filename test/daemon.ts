import { fileURLToPath } from "node:url"

/** The program that tests start: that of `dist`, or one in which a promise is switched off. */
export const daemon = process.env["QUORATE_DAEMON"] ?? fileURLToPath(new URL("../dist/main.js", import.meta.url))
