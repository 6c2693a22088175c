/*
 * s2s: what carries bytes, jobs and time between a socket and the machine of its stream (xfed/s2s.h). Streams of partners, ours and
 * probes have it as their first member; what is theirs comes in by struct driver_user.
 *
 * Inside an action nothing goes back into the machine: a close that is asked for there, and what `answer` gives, follow as events
 * of their own.
 */
#ifndef EDGE_S2S_DRIVER_H
#define EDGE_S2S_DRIVER_H

#include "s2s/s2s.h"
#include "xfed/rt/job.h"
#include "xfed/rt/timer.h"

struct driver;

struct driver_user {
	/* Of driver_connect(): TCP is there (then driver_start() follows, or driver_abandon()), or why it is not: abandoned behind this. */
	void (*connected)(struct driver *d, enum xfed_reason reason);
	void (*perform)(struct driver *d, struct xfed_s2s_action *act);	     /* all actions but JOB and CLOSED */
	bool (*answer)(struct driver *d, struct xfed_s2s_event *ev);	     /* what actions have asked for, next; false: nothing. May be NULL */
	void (*stepped)(struct driver *d);				     /* the actions of an event are done. May be NULL */
	bool (*may_shake_hands)(struct driver *d);			     /* false: it has been closed instead. May be NULL */
	void (*shook_hands)(struct driver *d);				     /* a step of the handshake has run. May be NULL */
	void (*woke)(struct driver *d);					     /* paused, and its time has come. May be NULL */
	void (*closed)(struct driver *d, const struct xfed_s2s_action *act); /* the last action; the socket has been let go of */
	void (*gone)(struct driver *d);					     /* nothing uses it any more: its memory is free */
};

/* Members are for reading but where it says so. */
struct driver {
	struct s2s *s2s;
	const struct driver_user *user;
	struct rt_stream *stream; /* NULL once let go of */
	struct xfed_s2s *machine; /* NULL while an outgoing connection is not there yet, but for a probe */
	struct rt_timer timer;
	struct rt_job job;
	struct rt_post go_on;
	struct xfed_tls *job_tls;
	enum xfed_tls_result job_result;
	uint64_t job_started_ms, job_cpu_us; /* of the handshake under way; of all of them */
	unsigned turn_elements;
	bool is_closed;
	bool is_driving;	       /* inside actions: a close waits */
	bool is_paused;		       /* not read until driver_resume(). For writing */
	bool is_yielding;	       /* has had its part of this turn; goes on by itself */
	uint64_t bytes_received;       /* by the peer's kernel, when the socket was let go of */
	uint64_t wake_ms;	       /* paused: `woke` at this time; 0: never. For writing */
	enum xfed_reason close_reason; /* asked for meanwhile; NONE: nothing */
	const char *close_text;
};

int driver_init(struct driver *d, struct s2s *s, const struct driver_user *user); /* OK, NOMEM; then driver_abandon() is fine too */
int driver_connect(struct driver *d, const struct rt_addr *to);			  /* OK, NOMEM, LIBRARY */
void driver_adopt(struct driver *d, struct rt_stream *stream);			  /* of a listener */
int driver_make(struct driver *d, struct xfed_s2s_config *cfg);			  /* the machine; `env` and `out` are filled in here. OK, NOMEM */
void driver_start(struct driver *d);

/* In all of these `d` may be gone afterwards, unless it is being driven. */
void driver_event(struct driver *d, struct xfed_s2s_event *ev);			/* never inside its own actions; nothing where it is closed */
void driver_close(struct driver *d, enum xfed_reason reason, const char *text); /* `text` lives on. Only with a machine */
int driver_write(struct driver *d, struct xfed_span stanza);			/* as xfed_s2s_send(); STATE where it is closed */
void driver_cover(struct driver *d, uint64_t number);				/* as xfed_s2s_cover() */
void driver_resume(struct driver *d);

uint64_t driver_bytes_out(const struct driver *d);	/* of the stream so far, with what lies in its buffer */
uint64_t driver_bytes_received(const struct driver *d); /* of them, what the peer's kernel has acknowledged */

void driver_abandon(struct driver *d); /* before the machine has begun */
void driver_stop(struct driver *d);    /* at once, telling the peer nothing; `gone` follows when its job has come back */

#endif
