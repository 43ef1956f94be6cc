import { meQuery, type Me } from '@/lib/me'
import { Dialog } from '@/ui/dialog'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent } from 'react'
import { SignInForm } from './sign-in-form'

/** Signs in again over the page, on which there may be unsaved work. */
export function Expired({ open, me, onBack }: { open: boolean; me: Me; onBack: () => void }) {
  const queries = useQueryClient()
  function back(now: Me) {
    // Somebody else's work is not to be gone on with.
    if (now.id !== me.id) location.assign('/')
    queries.setQueryData(meQuery.queryKey, now)
    onBack()
    void queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'me' })
  }
  // Whoever signed in on another page comes back to this one.
  const look = useEffectEvent(() => {
    if (document.visibilityState === 'visible')
      queries.query({ ...meQuery, staleTime: 0, retry: false }).then(back, () => undefined)
  })
  useEffect(() => {
    if (!open) return
    const onShown = () => look()
    document.addEventListener('visibilitychange', onShown)
    return () => document.removeEventListener('visibilitychange', onShown)
  }, [open])
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => next || onBack()}
      title="Your session has ended"
      description="Sign in again to go on where you are. What you have written here is kept."
    >
      <SignInForm email={me.email} next="/" beside onDone={back} />
    </Dialog>
  )
}
