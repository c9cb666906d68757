import type { Edit } from "../../test/simulation/mutants/mutants.js"
/** Builds a daemon with a bug in it, and answers where it is. */
export declare const build: (name: string, edits: ReadonlyArray<Edit>) => Promise<string>
