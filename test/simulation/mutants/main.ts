import * as Schema from "effect/Schema"
import { isFocus } from "../options.js"
import { run } from "../run.js"
import { makeImage } from "../SimDisk.js"

/*
 * Runs seeds until one breaks one of the given rules, and says which. Started by the test of the mutants in a process of its
 * own, so that each has the sources it was built from. Whatever else goes wrong ends it with an error.
 */

const Task = Schema.parseJson(Schema.Struct({
  seeds: Schema.Int,
  rules: Schema.Array(Schema.String),
  focus: Schema.declare(isFocus)
}))

const task = Schema.decodeUnknownSync(Task)(process.argv[2])
const image = await makeImage()
const seen = new Set<string>()

const search = () => {
  for (let seed = 1; seed <= task.seeds; seed++) {
    const { violations } = run(seed, image, { focus: task.focus })
    for (const { rule, what } of violations) {
      if (task.rules.some((expected) => rule.startsWith(expected))) return { seed, rule, what }
      seen.add(rule)
    }
  }
  return null
}

process.stdout.write(JSON.stringify({ found: search(), others: [...seen] }))
