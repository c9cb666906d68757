import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { daemon } from "../daemon.js"

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Options {
  readonly environment?: Record<string, string>
  /** What is on standard input; it ends at once where nothing is given. */
  readonly input?: string
  /** Called with each piece of standard error, and the process. */
  readonly onLog?: (text: string, child: ChildProcess) => void
}

/** No process outlives its test. */
const END_WITHIN_MILLIS = 50_000

/** Runs the built program in an empty directory. */
export const quorate = async (args: ReadonlyArray<string>, options: Options = {}): Promise<Ended> => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-cli-"))
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [daemon, ...args], {
        cwd: directory,
        env: { PATH: process.env["PATH"], HOME: directory, ...options.environment }
      })
      child.stdin.on("error", () => {})
      child.stdin.end(options.input)
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
        options.onLog?.(stderr, child)
      })
      const tooLate = setTimeout(() => child.kill("SIGKILL"), END_WITHIN_MILLIS)
      child.on("error", reject)
      child.on("close", (code) => {
        clearTimeout(tooLate)
        resolve({ code, stdout, stderr })
      })
    })
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}
