import { createContext, use } from 'react'

/** Who is signed in. */
export interface Account {
  name: string
  /** An address or a role. */
  detail?: string
  signOut: () => void
}

/** What the shell offers to pages. */
export interface ShellActions {
  account: Account | undefined
  openPalette: () => void
  openHelp: () => void
}

export const ShellContext = createContext<ShellActions | undefined>(undefined)

/** The shell around; undefined on pages without one, such as the sign-in. */
export function useShell(): ShellActions | undefined {
  return use(ShellContext)
}
