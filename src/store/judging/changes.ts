import type * as Quarantine from "../../domain/Quarantine.js"
import type * as Stamp from "../../domain/Stamp.js"
import type { Thing } from "./touching.js"

/** Something by which operations are judged came, or went. */
export type Change =
  | { readonly _tag: "Rule"; readonly since: Stamp.Stamp }
  | { readonly _tag: "Registered"; readonly agent: string }
  | { readonly _tag: "Action"; readonly id: string }
  | {
    readonly _tag: "Approved"
    /** Of the action. */
    readonly id: string
    /** The memory that it is about; null where the action tells. */
    readonly memory: string | null
    /** Whether less is approved than was. */
    readonly isLess: boolean
  }
  | { readonly _tag: "Quarantine"; readonly selector: Quarantine.Selector }
  | { readonly _tag: "Late"; readonly thing: Thing }
