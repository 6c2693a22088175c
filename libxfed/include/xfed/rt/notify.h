/*
 * Notifies systemd: READY, RELOADING, STOPPING, STATUS, and the watchdog, which the loop feeds, so that a process whose loop hangs is
 * restarted. Does nothing if the process was not started by systemd.
 */
#ifndef XFED_RT_NOTIFY_H
#define XFED_RT_NOTIFY_H

#include "xfed/base.h"

struct uv_loop_s;
struct rt_notify;

/* Starts the watchdog timer where WATCHDOG_USEC asks for one. The timer does not keep the loop alive. OK, NOMEM, LIBRARY. */
int rt_notify_new(struct uv_loop_s *uv, struct rt_notify **out);
/* Closes the timer; memory goes when the loop has run its close callbacks. NULL is fine. */
void rt_notify_free(struct rt_notify *n);

/* `status` is one line for `systemctl status`, or NULL. */
void rt_notify_ready(struct rt_notify *n, const char *status);
void rt_notify_reloading(struct rt_notify *n); /* followed by rt_notify_ready() when the reload is done */
void rt_notify_stopping(struct rt_notify *n, const char *status);
void rt_notify_status(struct rt_notify *n, const char *status);
/* Asks for more time to stop than TimeoutStopSec, in milliseconds from now. */
void rt_notify_extend_timeout(struct rt_notify *n, uint64_t ms);

#endif
