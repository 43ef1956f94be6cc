import { useCommandKeys, useCommands, type Command } from '@/lib/commands'
import { probe, useConnection, useOnBack, watchNetwork } from '@/lib/connection'
import { recall, remember } from '@/lib/storage'
import { setTheme } from '@/lib/theme'
import { Button, IconButton } from '@/ui/button'
import { cx } from '@/ui/cx'
import { Toaster } from '@/ui/toast'
import { Tooltip } from '@/ui/tooltip'
import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useRouter } from '@tanstack/react-router'
import { CloudOff, PanelLeftClose, PanelLeftOpen } from 'lucide-react'
import { useEffect, useMemo, useState, type ReactNode } from 'react'
import { places, type NavItem } from './nav'
import { Palette, type Find } from './palette'
import { Shortcuts } from './shortcuts'
import { ShellContext, type Account } from './use-shell'

export interface ShellProps {
  /** Who is signed in; absent where nobody has to. */
  account?: Account | undefined
  /** Finds runs, recipes and sources by what was typed into the palette. */
  find?: Find
  /** Whether the reader has a permission; without it nothing is kept from them. */
  may?: (permission: string) => boolean
  /** What is shown instead of the page of the address. */
  children?: ReactNode
}

/** What surrounds every page. */
export function Shell({ account, find, may, children }: ShellProps) {
  const router = useRouter()
  const [palette, setPalette] = useState(false)
  const [help, setHelp] = useState(false)
  const nav = useMemo(() => places.filter(({ needs }) => needs === undefined || may === undefined || may(needs)), [may])

  const commands = useMemo<Command[]>(
    () => [
      ...nav.map((place) => ({
        id: `go ${place.to}`,
        group: 'Go to',
        label: place.label,
        keys: place.keys,
        icon: <place.icon size={15} />,
        run: () => void router.navigate({ to: place.to }),
      })),
      { id: 'palette', group: 'Kalla', label: 'Search and commands', keys: 'mod+k', run: () => setPalette(true) },
      { id: 'help', group: 'Kalla', label: 'Keyboard shortcuts', keys: '?', run: () => setHelp(true) },
      { id: 'theme light', group: 'Theme', label: 'Light theme', run: () => setTheme('light') },
      { id: 'theme dark', group: 'Theme', label: 'Dark theme', run: () => setTheme('dark') },
      { id: 'theme system', group: 'Theme', label: 'Theme of the device', run: () => setTheme('system') },
    ],
    [nav, router],
  )
  useCommands(commands)
  useCommandKeys()
  const context = useMemo(
    () => ({ account, openPalette: () => setPalette(true), openHelp: () => setHelp(true) }),
    [account],
  )

  return (
    <ShellContext value={context}>
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-accent-strong px-3 py-2 text-accent-fg focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to the content
      </a>
      <div className="flex h-dvh flex-col">
        <ConnectionBanner />
        <div className="flex min-h-0 flex-1">
          <Sidebar nav={nav} />
          <div className="flex min-w-0 flex-1 flex-col">{children ?? <Outlet />}</div>
        </div>
        <BottomBar nav={nav} />
      </div>
      <Palette open={palette} onOpenChange={setPalette} {...(find && { find })} />
      <Shortcuts open={help} onOpenChange={setHelp} />
      <Toaster />
    </ShellContext>
  )
}

function Sidebar({ nav }: { nav: readonly NavItem[] }) {
  const [narrow, setNarrow] = useState(() => recall('sidebar') === 'narrow')
  const toggle = () => {
    remember('sidebar', narrow ? undefined : 'narrow')
    setNarrow(!narrow)
  }
  return (
    <nav
      aria-label="Main"
      className={cx(
        'flex shrink-0 flex-col gap-0.5 border-r border-line bg-bg p-2 max-md:hidden',
        narrow ? 'w-13' : 'w-13 lg:w-54',
      )}
    >
      <Link
        to="/"
        className="mb-2 flex h-9 items-center gap-2 rounded-md px-1.5 text-base font-semibold"
        aria-label="Kalla, home"
      >
        <img src="/favicon.svg" alt="" width={22} height={22} className="shrink-0" />
        <span className={cx(narrow ? 'hidden' : 'max-lg:hidden')}>Kalla</span>
      </Link>
      {nav.map((place) => (
        <Tooltip key={place.to} text={place.label} shortcut={place.keys}>
          <Link
            to={place.to}
            activeOptions={{ exact: place.to === '/' }}
            activeProps={{ className: 'bg-hover font-medium text-fg' }}
            inactiveProps={{ className: 'text-muted hover:bg-hover hover:text-fg' }}
            aria-label={place.label}
            className="flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm"
          >
            <place.icon size={16} className="shrink-0" aria-hidden />
            <span className={cx('truncate', narrow ? 'hidden' : 'max-lg:hidden')}>{place.label}</span>
          </Link>
        </Tooltip>
      ))}
      <span className="flex-1" />
      <IconButton
        label={narrow ? 'Widen the sidebar' : 'Narrow the sidebar'}
        onClick={toggle}
        className="max-lg:hidden"
      >
        {narrow ? <PanelLeftOpen size={16} /> : <PanelLeftClose size={16} />}
      </IconButton>
    </nav>
  )
}

function BottomBar({ nav }: { nav: readonly NavItem[] }) {
  return (
    <nav
      aria-label="Main"
      className="flex shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {nav.map((place) => (
        <Link
          key={place.to}
          to={place.to}
          activeOptions={{ exact: place.to === '/' }}
          activeProps={{ className: 'text-accent' }}
          inactiveProps={{ className: 'text-muted' }}
          className="flex h-13 min-w-0 flex-1 flex-col items-center justify-center gap-0.5 text-2xs outline-offset-[-2px]"
        >
          <place.icon size={18} aria-hidden />
          <span className="max-w-full truncate">{place.short}</span>
        </Link>
      ))}
    </nav>
  )
}

function ConnectionBanner() {
  const state = useConnection()
  const queries = useQueryClient()
  const [trying, setTrying] = useState(false)
  useEffect(() => watchNetwork(), [])
  // What could not be read meanwhile is read now.
  useOnBack(
    () => void queries.invalidateQueries({ predicate: (query) => query.state.status === 'error' || query.isStale() }),
  )
  if (state === 'up') return null
  const tryNow = async () => {
    setTrying(true)
    await probe()
    setTrying(false)
  }
  return (
    <div
      role="alert"
      className="flex shrink-0 flex-wrap items-center justify-center gap-x-3 gap-y-1 bg-warn-soft px-3 py-1.5 text-sm"
    >
      <CloudOff size={15} className="text-warn" aria-hidden />
      <span>No connection to Kalla. Runs go on; this page continues by itself.</span>
      <Button small busy={trying} onClick={() => void tryNow()}>
        Try now
      </Button>
    </div>
  )
}
