// Runs simulations of whole meshes from any seeds: `npm run simulate -- --seeds 5000 --from 1001`.
// A single seed can leave what happened in a file: `npm run simulate -- --from 42 --seeds 1 --trace trace.txt`.
// What a seed says can be overruled, by the names in `test/simulation/options.ts`: `--focus '{"lostDisk":"emptied"}'`.
import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    trace: { type: "string" },
    focus: { type: "string" }
  }
})

const whole = (name) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number > 0) return number
  process.stderr.write(`--${name} must be a whole number from 1, and is ${values[name]}\n`)
  process.exit(2)
}

const asked = {
  seeds: whole("seeds"),
  from: whole("from"),
  ...(values.trace === undefined ? {} : { trace: resolve(values.trace) }),
  ...(values.focus === undefined ? {} : { focus: JSON.parse(values.focus) })
}
const vitest = ["vitest", "run", "--config", "test/vitest.config.ts", "test/simulation/simulation"]
const { status } = spawnSync("npx", vitest, {
  stdio: "inherit",
  env: { ...process.env, QUORATE_SIMULATE: JSON.stringify(asked) }
})
process.exit(status ?? 1)
