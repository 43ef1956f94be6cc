import { setTheme, useTheme, type Theme } from '@/lib/theme'
import { Breadcrumbs, type Crumb } from '@/ui/breadcrumbs'
import { Button, IconButton } from '@/ui/button'
import { Kbd } from '@/ui/kbd'
import { Menu } from '@/ui/menu'
import { EmptyState, ErrorState, Loading } from '@/ui/states'
import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { CircleHelp, CircleUserRound, LogOut, Monitor, Moon, Search, Sun } from 'lucide-react'
import { useEffect, type ReactNode } from 'react'
import { useShell } from './use-shell'

export interface PageProps {
  /** Also of the browser's tab. */
  title: string
  /** The way here, without this page. */
  crumbs?: readonly Crumb[]
  /** Beside the title, for example a Status. */
  aside?: ReactNode
  /** Buttons; the main one last. */
  actions?: ReactNode
  /** One sentence below the title. */
  about?: ReactNode
  /** The content has its own scrolling, as a table has, and gets the height that is left. */
  fill?: boolean
  children: ReactNode
}

/** A page: bar at the top, title, content. */
export function Page({ title, crumbs = [], aside, actions, about, fill, children }: PageProps) {
  useEffect(() => {
    document.title = title === 'Kalla' ? title : `${title} · Kalla`
  }, [title])
  return (
    <>
      <TopBar crumbs={[...crumbs, { label: title }]} />
      <main id="main" tabIndex={-1} className="flex min-h-0 flex-1 flex-col overflow-y-auto outline-none">
        <div
          className={`mx-auto flex w-full max-w-[1440px] flex-col px-4 py-5 sm:px-6 ${fill ? 'min-h-0 flex-1' : ''}`}
        >
          <header className="mb-4 flex flex-wrap items-start gap-x-4 gap-y-2">
            <div className="min-w-0 flex-1">
              <div className="flex flex-wrap items-center gap-2.5">
                <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
                {aside}
              </div>
              {about !== undefined && <p className="text-sm text-muted">{about}</p>}
            </div>
            {actions !== undefined && <div className="flex flex-wrap gap-2 max-sm:w-full">{actions}</div>}
          </header>
          {children}
        </div>
      </main>
    </>
  )
}

const themes: { value: Theme; label: string; icon: ReactNode }[] = [
  { value: 'system', label: 'Theme of the device', icon: <Monitor size={14} /> },
  { value: 'light', label: 'Light', icon: <Sun size={14} /> },
  { value: 'dark', label: 'Dark', icon: <Moon size={14} /> },
]

function TopBar({ crumbs }: { crumbs: readonly Crumb[] }) {
  const shell = useShell()
  const theme = useTheme()
  return (
    <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-bg px-4 sm:px-6">
      <div className="min-w-0 flex-1">
        <Breadcrumbs crumbs={crumbs} />
      </div>
      {shell && (
        <>
          <button
            type="button"
            onClick={shell.openPalette}
            className="flex h-8 w-56 items-center gap-2 rounded-md border border-line bg-surface px-2.5 text-sm text-muted hover:border-line-strong max-sm:hidden"
          >
            <Search size={14} aria-hidden />
            <span className="flex-1 text-left">Search</span>
            <Kbd keys="mod+k" />
          </button>
          <IconButton label="Search" onClick={shell.openPalette} className="sm:hidden">
            <Search size={16} />
          </IconButton>
        </>
      )}
      <Menu
        trigger={
          <IconButton label={shell?.account ? `Account of ${shell.account.name}` : 'Theme and help'}>
            <CircleUserRound size={17} />
          </IconButton>
        }
        groups={[
          {
            label: 'Theme',
            items: themes.map(({ value, label, icon }) => ({
              label,
              icon,
              checked: theme === value,
              onSelect: () => setTheme(value),
            })),
          },
          ...(shell
            ? [
                {
                  items: [
                    {
                      label: 'Keyboard shortcuts',
                      icon: <CircleHelp size={14} />,
                      shortcut: '?',
                      onSelect: shell.openHelp,
                    },
                  ],
                },
              ]
            : []),
          ...(shell?.account
            ? [
                {
                  label: [shell.account.name, shell.account.detail].filter(Boolean).join(' · '),
                  items: [{ label: 'Sign out', icon: <LogOut size={14} />, onSelect: shell.account.signOut }],
                },
              ]
            : []),
        ]}
      />
    </header>
  )
}

/** While a page's code is on its way. */
export function PageLoading() {
  return (
    <main id="main" tabIndex={-1} className="flex-1 px-4 py-17 sm:px-6">
      <Loading />
    </main>
  )
}

/** A page that failed: the others, and the way to them, still work. */
export function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <ErrorState error={error} onRetry={reset} />
    </Page>
  )
}

/** An address without a page. */
export function NotFound() {
  return (
    <Page title="Not found">
      <EmptyState
        title="There is no such page"
        actions={
          <Button asChild>
            <Link to="/">Go home</Link>
          </Button>
        }
      >
        The address may be mistyped, or what was here has been deleted.
      </EmptyState>
    </Page>
  )
}
