import { kinds, type Payload } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import { versionOf } from "../../replication/Payload.js"
import { withoutNames } from "../../replication/reissue.js"
import { memoryIdOf } from "../deciding/governed.js"
import type { ObjectType } from "../state/Slice.js"

/** A thing whose state operations change. */
export interface Thing {
  readonly type: "memory" | ObjectType
  readonly id: string
}

export const keyOf = ({ id, type }: Thing): string => `${type} ${id}`

/** All things that an operation may change. */
export const touchedBy = (operation: Operation, payload: Payload): ReadonlyArray<Thing> => {
  const { part } = kinds[payload.kind]
  const covered = withoutNames(operation).covers.map(({ id }) => id)
  const memory = (id: string): Thing => ({ type: "memory", id })
  switch (part) {
    case "memory":
      return [memory(operation.entity), ...covered.map(memory)]
    case "decision":
      return [
        { type: part, id: operation.entity },
        memory(versionOf(payload)?.id ?? memoryIdOf(operation.entity)),
        ...covered.map(memory)
      ]
    case "earned":
      return [{ type: part, id: operation.entity }, memory(operation.entity)]
    default:
      return [operation.entity, ...covered].map((id) => ({ type: part, id }))
  }
}
