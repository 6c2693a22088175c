#include "xfed/rt/notify.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <uv.h>

#include "xfed/mem.h"

struct rt_notify {
	uv_timer_t timer;
};

static void on_timer(uv_timer_t *t)
{
	sd_notify(0, "WATCHDOG=1");
}

static void on_closed(uv_handle_t *h)
{
	xfed_free(h->data);
}

int rt_notify_new(struct uv_loop_s *uv, struct rt_notify **out)
{
	struct rt_notify *n = xfed_calloc(1, sizeof(*n));
	*out = NULL;
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	uint64_t usec = 0;
	uv_timer_init(uv, &n->timer);
	n->timer.data = n;
	if (sd_watchdog_enabled(0, &usec) > 0 && usec >= 2000) {
		/* Twice in the time systemd waits, as sd_watchdog_enabled(3) advises. */
		uint64_t ms = usec / 2000;
		uv_timer_start(&n->timer, on_timer, ms, ms);
	}
	uv_unref((uv_handle_t *)&n->timer);
	*out = n;
	return XFED_OK;
}

void rt_notify_free(struct rt_notify *n)
{
	if (n) {
		uv_close((uv_handle_t *)&n->timer, on_closed);
	}
}

/* A status is one line: text after a line end would be read as another assignment. */
static const char *one_line(const char *status, char out[256])
{
	size_t i = 0;
	for (; status && status[i] && i < 255; i++) {
		out[i] = status[i] == '\n' ? ' ' : status[i];
	}
	out[i] = '\0';
	return out;
}

static void tell(const char *what, const char *status)
{
	char line[256];
	if (status) {
		sd_notifyf(0, "%s%sSTATUS=%s", what, *what ? "\n" : "", one_line(status, line));
	} else {
		sd_notify(0, what);
	}
}

void rt_notify_ready(struct rt_notify *n, const char *status)
{
	tell("READY=1", status);
}

void rt_notify_reloading(struct rt_notify *n)
{
	/* Type=notify-reload accepts RELOADING=1 only with a time stamp. */
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)ts.tv_sec * 1000000 + (unsigned long long)ts.tv_nsec / 1000);
}

void rt_notify_stopping(struct rt_notify *n, const char *status)
{
	tell("STOPPING=1", status);
}

void rt_notify_status(struct rt_notify *n, const char *status)
{
	tell("", status ? status : "");
}

void rt_notify_extend_timeout(struct rt_notify *n, uint64_t ms)
{
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)ms * 1000);
}
