import * as path from "node:path"

/** Where a client of the Model Context Protocol has its configuration, and how that names a server. */
export interface Client {
  readonly name: string
  readonly title: string
  /** The file of its user; none where the client has none on this system. */
  readonly file: (machine: Machine) => string
  /** The file of a project, below its folder. */
  readonly ofProject?: string
  readonly form: Form
}

/** Comments and a comma at the end are kept where the client takes them, and refused where it does not. */
export type Form =
  | { readonly _tag: "json"; readonly list: string; readonly isTyped: boolean; readonly comments: boolean }
  | { readonly _tag: "toml"; readonly list: string }

/** What of a machine decides where files are. */
export interface Machine {
  readonly home: string
  readonly platform: NodeJS.Platform
  /** Of the environment, unless another home is named. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

const servers = { _tag: "json", list: "mcpServers", isTyped: false, comments: false } as const

/** The folder in which applications of this system have theirs. */
const applications = ({ environment, home, platform }: Machine): string =>
  platform === "darwin"
    ? path.join(home, "Library", "Application Support")
    : platform === "win32"
    ? environment["APPDATA"] ?? path.join(home, "AppData", "Roaming")
    : environment["XDG_CONFIG_HOME"] ?? path.join(home, ".config")

export const clients: ReadonlyArray<Client> = [
  {
    name: "claude-code",
    title: "Claude Code",
    file: ({ environment, home }) => path.join(environment["CLAUDE_CONFIG_DIR"] ?? home, ".claude.json"),
    ofProject: ".mcp.json",
    form: { ...servers, isTyped: true }
  },
  {
    name: "claude-desktop",
    title: "Claude Desktop",
    file: (machine) => path.join(applications(machine), "Claude", "claude_desktop_config.json"),
    form: servers
  },
  {
    name: "cursor",
    title: "Cursor",
    file: ({ home }) => path.join(home, ".cursor", "mcp.json"),
    ofProject: path.join(".cursor", "mcp.json"),
    form: servers
  },
  {
    name: "vscode",
    title: "VS Code",
    file: (machine) => path.join(applications(machine), "Code", "User", "mcp.json"),
    ofProject: path.join(".vscode", "mcp.json"),
    form: { _tag: "json", list: "servers", isTyped: true, comments: true }
  },
  {
    name: "codex",
    title: "Codex",
    file: ({ environment, home }) => path.join(environment["CODEX_HOME"] ?? path.join(home, ".codex"), "config.toml"),
    form: { _tag: "toml", list: "mcp_servers" }
  },
  {
    name: "gemini",
    title: "Gemini CLI",
    file: ({ home }) => path.join(home, ".gemini", "settings.json"),
    ofProject: path.join(".gemini", "settings.json"),
    form: { ...servers, comments: true }
  }
]
