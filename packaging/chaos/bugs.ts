import { type Edit, mutants } from "../../test/simulation/mutants/mutants.js"
import type { Fault } from "./Chronicle.js"

/** A bug that a run finds when it is in the daemon: one of those that the simulation has to find. */
export interface Bug {
  readonly name: string
  readonly mutant: string
  /** What brings it to light. */
  readonly faults: ReadonlyArray<Fault>
}

export const BUGS: ReadonlyArray<Bug> = [
  { name: "key-ignored", mutant: "the idempotency key ignored", faults: ["dropped-acks", "pause"] },
  { name: "merge-by-arrival", mutant: "merge by order of arrival", faults: ["partition", "delay"] },
  { name: "names-used-again", mutant: "sequences used again after a restore", faults: ["old-backup", "partition"] },
  { name: "vector-apart", mutant: "the vector written in the transaction after", faults: ["kill"] },
  { name: "strict-paging", mutant: "a strict > in paging", faults: ["kill", "partition"] }
]

/** What is changed in the sources for it. */
export const editsOf = ({ mutant, name }: Bug): ReadonlyArray<Edit> => {
  const found = mutants.find((each) => each.name === mutant)
  if (found === undefined) throw new Error(`the simulation has no mutant "${mutant}" any more, which ${name} is`)
  return found.edits
}
