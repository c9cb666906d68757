// Runs single tests, with the sources as they are or with one of them changed on its way to the test. No file is changed.
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { createVitest } from "vitest/node"
import { buildDaemon } from "../build.mjs"
import { cache } from "../tools.mjs"
import { applied } from "./table.mjs"

/** A guard whose test only hangs is one that nobody can tell from a slow machine. */
const TEST_MILLIS = 30_000

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** What a run of tests came to. */
const judged = (modules, unhandled) => {
  const tests = modules.flatMap((module) => Array.from(module.children.allTests()))
  const of = (state) => tests.filter((test) => test.result().state === state)
  const failed = of("failed")
  const errors = [
    ...modules.flatMap((module) => module.errors()),
    ...modules.flatMap((module) => Array.from(module.children.allSuites()).flatMap((suite) => suite.errors())),
    ...unhandled
  ].map((error) => error?.message ?? String(error))
  return {
    ran: failed.length + of("passed").length,
    failed: failed.map((test) => test.fullName),
    // Those that this machine can not run say why; the others were not asked for.
    skipped: of("skipped").flatMap((test) => test.result().note ?? []),
    why: failed[0]?.result().errors?.[0]?.message ?? null,
    errors
  }
}

/** Tests that start the program, which then has to be built. */
const STARTS = /\bdaemon\.js"|\/(?:Cluster|program)\.js"/

/** `run(test, names, guard)`, one run at a time; with a guard, its promise is switched off. */
export const make = async (root) => {
  let off = null
  // Where tests look for it: beside the packages that it needs.
  const daemon = join(cache, `mutant-${process.pid}`, "main.js")
  process.env.QUORATE_DAEMON = daemon
  mkdirSync(dirname(daemon), { recursive: true })
  const pathOf = ({ file }) => join(root, "src", file)
  const vitest = await createVitest("test", {
    root,
    config: false,
    watch: false,
    include: ["test/**/*.test.ts"],
    pool: "forks",
    minWorkers: 1,
    maxWorkers: 1,
    testTimeout: TEST_MILLIS,
    hookTimeout: TEST_MILLIS,
    reporters: [{}],
    silent: true
  }, {
    plugins: [{
      name: "quorate-mutants",
      enforce: "pre",
      transform: (source, id) => off !== null && id === pathOf(off) ? applied(off, source) : null
    }]
  })
  const changed = (guard) => {
    for (const each of [off, guard]) if (each !== null) vitest.invalidateFile(pathOf(each))
    off = guard
  }
  const toBuild = {
    name: "quorate-mutants",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) =>
        off !== null && path === pathOf(off)
          ? { contents: applied(off, readFileSync(path, "utf8")), loader: "ts" }
          : undefined)
  }
  return {
    found: (guard) => applied(guard, readFileSync(pathOf(guard), "utf8")) !== null,
    run: async (test, names, guard = null) => {
      changed(guard)
      if (STARTS.test(readFileSync(join(root, test), "utf8"))) {
        const wrong = await buildDaemon(daemon, [toBuild]).then(() => null, (error) => error)
        if (wrong !== null) return { ran: 0, failed: [], skipped: [], why: null, errors: [wrong.message] }
      }
      vitest.setGlobalTestNamePattern(new RegExp(names.map(literal).join("|")))
      vitest.state.clearErrors()
      vitest.state.clearFiles(vitest.getRootProject(), [join(root, test)])
      const project = vitest.getRootProject()
      const { testModules, unhandledErrors } = await vitest.runTestSpecifications([
        project.createSpecification(join(root, test))
      ])
      // The others of the answer are of runs before this one.
      return judged(testModules.filter(({ moduleId }) => moduleId === join(root, test)), unhandledErrors)
    },
    close: async () => {
      rmSync(dirname(daemon), { recursive: true, force: true })
      await vitest.close()
    }
  }
}
