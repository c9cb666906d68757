import { build } from "../packaging/build.mjs"

/** The tests that start a daemon, or load what is published, have it as the sources are now. */
export const setup = async (): Promise<void> => build(["daemon", "modules"])
