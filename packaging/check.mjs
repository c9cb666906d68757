// `npm run check`: the types of everything, and the use of Effect. `node packaging/check.mjs all`, as npm test has it: the
// lint at the same time, each account whole, after the other.
import { check } from "./build.mjs"
import { run } from "./tools.mjs"

const checks = {
  types: check,
  lint: () => run("eslint/bin/eslint.js", ["--config", "packaging/eslint.config.mjs", "src", "test", "packaging"])
}

const wanted = process.argv[2] === "all" ? ["types", "lint"] : ["types"]
console.log(`checking ${wanted.join(" and ")} …`)
await Promise.all(wanted.map(async (name) => {
  const begin = performance.now()
  const told = await checks[name]().then((output) => ["passes", output], (error) => {
    process.exitCode = 1
    return ["FAILS", error.message]
  })
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  console.log([`${name} ${told[0]}, ${seconds} s`, told[1].trim()].filter((text) => text !== "").join("\n"))
}))
