import * as Predicate from "effect/Predicate"
import { RELATIONS } from "../../domain/Link.js"
import { fieldOf, listOf, textOf } from "../fields.js"
import { drafted, type Format, type Key, linked, type Piece, problem, type Row } from "../Row.js"

/**
 * The file of the memory server of the Model Context Protocol: entities with observations, and relations between them, a line
 * each; or the graph as its tools answer it. An entity is a memory, its observations the lines of its content. A relation of
 * a name that no link has is a memory of its own, so that what it says is found.
 */
export const mcpMemory: Format = {
  name: "mcp-memory",
  read: (piece) => {
    const { value } = piece
    const name = textOf(value, "name")
    if (typeOf(piece, "entity", "entities") && name !== undefined && Array.isArray(fieldOf(value, "observations"))) {
      return [entity(name, value)]
    }
    const from = textOf(value, "from")
    const to = textOf(value, "to")
    const relation = textOf(value, "relationType")
    return typeOf(piece, "relation", "relations") && from !== undefined && to !== undefined && relation !== undefined
      ? related({ from, to, relation })
      : undefined
  }
}

const typeOf = ({ list, value }: Piece, type: string, ofList: string): boolean =>
  list === "" ? fieldOf(value, "type") === type : list === ofList

const entity = (name: string, value: unknown): Row => {
  const type = textOf(value, "entityType")
  const observations = listOf(value, "observations").filter(Predicate.isString)
  return drafted({
    key: keyOf(name),
    names: [name],
    title: name,
    content: observations.length === 0 ? name : observations.map(indented).join("\n"),
    tags: type === undefined ? [] : [type],
    metadata: { entity_type: type ?? "", observed: observations.length }
  })
}

/** An observation of several lines is one line and others that are set in. */
const indented = (observation: string): string => observation.replace(/\r\n?|\n/g, "\n  ")

interface Relation {
  readonly from: string
  readonly to: string
  readonly relation: string
}

const related = ({ from, relation, to }: Relation): ReadonlyArray<Row> => {
  const own = RELATIONS.find((known) => known === relation)
  if (from === to && own !== undefined) return [problem(`"${relation}" of a thing to itself is no link`)]
  if (own !== undefined) return [linked({ source: keyOf(from), target: keyOf(to), relation: own })]
  const text = `${from} ${relation} ${to}`
  const key = ["relation", from, relation, to]
  const ends = [from, ...(from === to ? [] : [to])]
  return [
    drafted({
      key,
      title: text,
      content: text,
      tags: ["relation"],
      metadata: { relation: { from, to, type: relation } }
    }),
    ...ends.map((end) => linked({ source: key, target: keyOf(end), relation: "related_to" }))
  ]
}

const keyOf = (name: string): Key => ["entity", name]
