import { Outside } from '@/account/outside'
import { SignInForm, waysQuery } from '@/account/sign-in-form'
import { meQuery } from '@/lib/me'
import { Note } from '@/ui/status'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'

/** Why somebody was sent here, by the code that the server gives. */
const reasons: Record<string, string> = {
  too_many: 'Too many attempts. Wait a minute, then try again.',
  link_expired: 'The link has been used or is older than ten minutes. Restart Kalla for another.',
  oidc_expired: 'Signing in took too long, or began in another browser. Try again.',
  oidc_refused: 'The provider did not let you in. Try again, or ask whoever runs it.',
  oidc_token: 'The answer of the provider cannot be trusted. Ask an administrator: its log says what is wrong with it.',
  oidc_email: 'The provider does not vouch for your e-mail address. Confirm it there, then try again.',
  oidc_domain: 'Your address has no account here. Ask an administrator to add you.',
  oidc_taken: 'Your address belongs to another account of the provider. Ask an administrator.',
  oidc_disabled: 'Your account is disabled. Ask an administrator.',
  oidc_unanswered: 'The provider does not answer. Try again in a moment.',
}

const route = getRouteApi('/sign-in')

export function SignIn() {
  const { next: asked, error } = route.useSearch()
  const router = useRouter()
  const queries = useQueryClient()
  const ways = useQuery(waysQuery).data
  const next = withinApp(asked)
  return (
    <Outside title="Sign in">
      {error !== undefined && (
        <div className="mb-4" role="alert">
          <Note tone="warn">{reasons[error] ?? 'Signing in did not work. Try again.'}</Note>
        </div>
      )}
      {ways?.setup && !ways.local && (
        <div className="mb-4">
          <Note title="Nobody has an account yet">
            Open the address that Kalla wrote to its log when it started: it makes the first administrator.
          </Note>
        </div>
      )}
      <SignInForm
        next={next}
        onDone={(me) => {
          queries.clear()
          queries.setQueryData(meQuery.queryKey, me)
          router.history.push(next)
        }}
      />
    </Outside>
  )
}

/** An address to go on to, if it is one of this app: a link may carry any. */
export function withinApp(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])[^\\]*$/.test(next) ? next : '/'
}
