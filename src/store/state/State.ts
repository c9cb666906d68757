import type Database from "better-sqlite3"
import type { NamespaceLanguages } from "../../domain/analysis/namespaceLanguages.js"
import { kinds, type Payload } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import { withoutNames } from "../../replication/reissue.js"
import type { Digest } from "../log/Digest.js"
import { apply, givenBy, withdraw } from "./apply.js"
import * as Clearing from "./clearing.js"
import * as Load from "./load.js"
import * as Save from "./save.js"
import type { Outcome } from "./Slice.js"

/** The state of a node in its database: what operations come to, one after the other. In the transaction only. */
export interface State extends Pick<Save.Save, "finish" | "words"> {
  readonly load: Load.Load
  readonly clear: Clearing.Clearing
  /** Loads the slice that an operation can change, applies the rules, and saves what they come to. */
  readonly apply: (operation: Operation, payload: Payload) => Outcome
  /** The same for an operation whose memory has an id that was minted for it: nothing can be known of it yet. */
  readonly applyNew: (operation: Operation, payload: Payload) => Outcome
  /** Takes out the version that an operation gave, as if it had never come. */
  readonly withdraw: (operation: Operation, payload: Payload) => void
  /** Whether the version that an operation gave was ended by another one. */
  readonly isEnded: (operation: Operation, payload: Payload) => boolean
}

export const make = (
  writer: Database.Database,
  digest: Digest,
  languages: NamespaceLanguages = new Map()
): State => {
  const load = Load.make(writer)
  const save = Save.make(writer, digest, languages)
  const change = (given: Operation, payload: Payload, isNewId: boolean): Outcome => {
    const { changes, outcome } = apply(load.slice(given, payload, isNewId), withoutNames(given), payload)
    save.changes(changes)
    return outcome
  }
  return {
    load,
    clear: Clearing.make(writer, save),
    apply: (operation, payload) => change(operation, payload, false),
    applyNew: (operation, payload) => change(operation, payload, true),
    withdraw: (operation, payload) => {
      const covers = givenBy(operation, payload)
      save.changes(withdraw(load.slice({ ...operation, covers }, payload, false), operation, payload))
    },
    isEnded: (operation, payload) => {
      const { part } = kinds[payload.kind]
      const [memory] = givenBy(operation, payload)
      if (memory !== undefined) return load.isEnded("memory", memory)
      return part !== "memory" && load.isEnded(part, { ...operation, id: operation.entity })
    },
    finish: save.finish,
    words: save.words
  }
}
