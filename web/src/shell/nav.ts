import {
  ArrowLeftRight,
  Database,
  House,
  ListChecks,
  MessagesSquare,
  Play,
  Settings,
  type LucideIcon,
} from 'lucide-react'

/** A place of the app. */
export interface NavItem {
  to: string
  label: string
  /** Where there is little room. */
  short: string
  icon: LucideIcon
  /** Keys that go there. */
  keys: string
  /** What one must be allowed to for it to be shown. */
  needs?: string
}

/** The places, in the order of the sidebar. */
export const places: readonly NavItem[] = [
  { to: '/', label: 'Home', short: 'Home', icon: House, keys: 'g h' },
  { to: '/runs', label: 'Runs', short: 'Runs', icon: Play, keys: 'g r' },
  { to: '/new', label: 'New reconciliation', short: 'New', icon: ArrowLeftRight, keys: 'g n', needs: 'recipes.write' },
  { to: '/assistant', label: 'Assistant', short: 'Assistant', icon: MessagesSquare, keys: 'g a' },
  { to: '/recipes', label: 'Recipes', short: 'Recipes', icon: ListChecks, keys: 'g c' },
  { to: '/sources', label: 'Sources', short: 'Sources', icon: Database, keys: 'g s' },
  { to: '/settings', label: 'Settings', short: 'Settings', icon: Settings, keys: 'g t' },
]
