import { api } from '@/lib/api'
import { data, onSignedOut } from '@/lib/http'
import { meQuery, MeContext, type Me } from '@/lib/me'
import { asProblem } from '@/lib/problem'
import { Page } from '@/shell/page'
import { Shell } from '@/shell/shell'
import { EmptyState, ErrorState, Loading } from '@/ui/states'
import { toast } from '@/ui/toast'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Outlet, useMatches, useRouter, useRouterState } from '@tanstack/react-router'
import { Lock } from 'lucide-react'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { Expired } from './expired'
import { find } from './find'

/** Pages for those who are not signed in. */
const open = ['/sign-in', '/setup']

/** The root of all pages: finds out who is signed in, and sends away who is not. */
export function Account() {
  const path = useRouterState({ select: (state) => state.location.pathname })
  return open.includes(path) ? <Outlet /> : <SignedIn />
}

function SignedIn() {
  const { data: me, error, refetch } = useQuery(meQuery)
  const [expired, setExpired] = useState(false)
  const known = me !== undefined
  // Before the first answer there is nothing to lose; later there may be unsaved work on the page.
  useEffect(() => {
    onSignedOut(known ? () => setExpired(true) : goToSignIn)
    return () => onSignedOut(() => undefined)
  }, [known])
  if (me) {
    return (
      <MeContext value={me}>
        <Around me={me} />
        <Expired open={expired} me={me} onBack={() => setExpired(false)} />
      </MeContext>
    )
  }
  return (
    <main className="flex h-dvh flex-col justify-center px-6">
      {error && asProblem(error).status !== 401 ? (
        <ErrorState error={error} onRetry={() => void refetch()} />
      ) : (
        <div className="mx-auto w-full max-w-3xl">
          <Loading />
        </div>
      )}
    </main>
  )
}

/** Goes to the sign-in page, which comes back here. */
function goToSignIn() {
  const here = location.pathname + location.search
  location.replace(here === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(here)}`)
}

function Around({ me }: { me: Me }) {
  const queries = useQueryClient()
  const router = useRouter()
  const account = useMemo(
    () => ({
      name: me.name || me.email,
      detail: me.role,
      signOut: () => {
        data(api.POST('/api/auth/sign-out')).then(
          // A new page load, so that nothing of one reader is left for the next.
          () => location.assign('/sign-in'),
          (cause: unknown) => toast.failed('Signing out', cause),
        )
      },
    }),
    [me],
  )
  const finder = useMemo(() => find(queries, (path) => router.history.push(path)), [queries, router])
  const may = useCallback((permission: string) => me.permissions.includes(permission), [me])
  const needs = useMatches({ select: (matches) => matches.at(-1)?.staticData.needs })
  return (
    <Shell account={account} find={finder} may={may}>
      {needs !== undefined && !may(needs) ? <Denied role={me.role} /> : undefined}
    </Shell>
  )
}

/** A page that is not for the reader's role. */
function Denied({ role }: { role: string }) {
  return (
    <Page title="No permission">
      <EmptyState icon={<Lock size={18} />} title="You may not do this">
        Your role is {role}: it may read. Ask an administrator for the role preparer.
      </EmptyState>
    </Page>
  )
}
