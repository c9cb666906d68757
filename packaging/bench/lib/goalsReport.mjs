// The goals as a table of a report.
import { table, withRange } from "./tables.mjs"

const bound = ({ way }, value) => value === undefined ? "" : `${way} ${value.toLocaleString("en")}`

/** What must be reached, and what is aimed at. */
export const bounds = (goal) => [bound(goal, goal.must), bound(goal, goal.aim)]

export const figureOf = ({ figure }) => figure === undefined ? "" : withRange(figure)

/** A line for each goal that this run has a figure for, and how many there are of each kind. */
export const render = (goals) => {
  const measured = goals.filter(({ figure }) => figure !== undefined)
  const of = (word) => measured.filter(({ met }) => met === word).length
  return [
    table([
      ["goals", "figure", "must", "aim", "reached"],
      ...measured.map((goal) => [
        goal.title,
        figureOf(goal),
        ...bounds(goal),
        goal.met
      ])
    ]),
    "",
    `  figure   median of the repetitions, and their range`,
    `  must     what a release has to reach`,
    `  aim      what it is meant to reach`,
    `  reached  aim, must, or missed: ${of("aim")}, ${of("must")} and ${of("missed")}; ${
      goals.length - measured.length
    } were not measured`
  ].join("\n")
}

/** The same as a table of a manual. */
export const cells = (goal) => [
  goal.title,
  figureOf(goal),
  ...bounds(goal),
  goal.met
]
