// The runs of parts whose report is a table of lines, as groups in which one build is compared with another.
import { COLUMNS } from "./columns.mjs"
import { PARTS } from "./parts.mjs"

/** Parts that are compared figure by figure already. */
const OTHERWISE = ["cells", "catch-up", "reads"]

const figuresOf = (keys) =>
  keys.flatMap((key) => {
    const [title, , good] = COLUMNS[key]
    return good === undefined ? [] : [[title, key, good]]
  })

const titleOf = ({ labelOf, title }, run) => labelOf === undefined ? title : `${title}, ${labelOf(run)}`

export const of = (measured) =>
  Object.entries(PARTS).filter(([name]) => !OTHERWISE.includes(name)).flatMap(([name, { table }]) =>
    (measured[name] ?? []).map((run) => ({ title: titleOf(table, run), figures: figuresOf(table.keys), run }))
  )
