import type * as Quarantine from "../../domain/Quarantine.js"
import type * as Stamp from "../../domain/Stamp.js"
import type { Thing } from "./touching.js"

/** Something by which operations are judged came, or went. */
export type Change =
  | { readonly _tag: "Rule"; readonly since: Stamp.Stamp }
  | { readonly _tag: "Registered"; readonly agent: string }
  | { readonly _tag: "Action"; readonly id: string }
  | { readonly _tag: "Approved"; readonly id: string }
  | { readonly _tag: "Quarantine"; readonly selector: Quarantine.Selector }
  | { readonly _tag: "Late"; readonly thing: Thing }
