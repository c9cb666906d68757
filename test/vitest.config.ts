import { existsSync, statfsSync } from "node:fs"
import { configDefaults, defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Everything that takes long, or starts processes. The rest is the quick set, which `npm run dev` watches. */
const folders = [
  "simulation",
  "mesh",
  "postgres",
  "browser",
  "interop",
  "documents",
  "cli",
  "mcp",
  "mutants",
  "recall",
  "chaos"
]
const thorough = folders.map((folder) => `test/${folder}/**/*.test.ts`)

/** Properties of the state, whatever order its operations come in. */
const state = ["merge", "State", "MemoryStore"].map((name) => `test/store/${name}.test.ts`)

/** All that is asked of a daemon but by HTTP itself. */
const doors = ["cli/*", "mcp/*", "interop/{sdk,wire}"].map((name) => `test/${name}.test.ts`)

/** Where a server is one more process for two cores, and the first test of a worker waits for it to begin. */
const patient = { testTimeout: 90_000, hookTimeout: 90_000 }

/** What looks at a registry that belongs to the process has a process of its own. */
const alone = ["Metrics", "Prometheus", "ProcessMetrics"].map((name) => `test/telemetry/${name}.test.ts`)

/** What takes longest begins first, for a machine that has not run them yet and can not know. */
const longest = [
  "store/merge",
  "federation/quorumFanout.interleavings",
  "federation/originalNode",
  "federation/convergence",
  "federation/deadLetters",
  "federation/catchup",
  "operations/conflicts",
  "federation/consensus",
  "simulation/mutants/mutants",
  "simulation/simulation",
  "simulation/simulation.other",
  "browser/pages",
  "browser/console",
  "documents/examples",
  "mesh/quorum"
]

/** Where there is a disk in memory, the quick set has its databases there: it asks nothing of them that takes a real one. */
const memoryDisk = (folder: string): Record<string, string> => {
  if (!existsSync(folder)) return {}
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize < MEMORY_DISK_BYTES ? {} : { TMPDIR: folder }
}
const MEMORY_DISK_BYTES = 1e9

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const rest = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return at < 0 ? longest.length : at
    }
    return rest.toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    // Two cores: more workers than that only make the real processes of test/mesh starve each other.
    maxWorkers: 2,
    minWorkers: 1,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    globalSetup: ["packaging/build.mjs"],
    sequence: { sequencer: LongestFirst },
    poolOptions: {
      // Loading Effect takes longer than most of these files: each worker does it once. More workers than cores, for many of
      // the tests wait for something. None of them ends before the others: the pool can take that for a failure.
      threads: { isolate: false, minThreads: 4, maxThreads: 4 }
    },
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...alone, ...thorough],
          pool: "threads",
          env: memoryDisk("/dev/shm"),
          sequence: { groupOrder: 1 }
        }
      },
      // What is asked for over HTTP is answered alike where another engine has the memory, and its state comes to the same.
      {
        extends: true,
        test: {
          name: "quick on postgresql",
          include: ["test/http/**/*.test.ts", ...state],
          pool: "threads",
          ...patient,
          env: { ...memoryDisk("/dev/shm"), QUORATE_TEST_ENGINE: "postgresql" },
          sequence: { groupOrder: 3 }
        }
      },
      // So is what commands, clients of MCP and the libraries of the original ask for.
      {
        extends: true,
        test: {
          name: "doors on postgresql",
          include: doors,
          pool: "forks",
          ...patient,
          globalSetup: ["test/postgres/oneServer.ts"],
          setupFiles: ["test/postgres/onStore.ts"],
          env: { ...memoryDisk("/dev/shm"), QUORATE_TEST_ENGINE: "postgresql" },
          sequence: { groupOrder: 4 }
        }
      },
      { extends: true, test: { name: "quick alone", include: alone, pool: "forks", sequence: { groupOrder: 1 } } },
      // By itself: each file in a process of its own, two at a time, after the quick ones. Most of them start processes, one
      // after the other, which takes a slow machine seconds for each.
      {
        extends: true,
        test: {
          name: "thorough",
          include: thorough,
          pool: "forks",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
