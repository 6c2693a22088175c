/*
 * Subscriptions (RFC 6665) without I/O: the values of their header fields, and both ends as machines. The owner of a machine also owns the
 * dialog (sip/dialog.h); the machines see statuses, states and times, no messages.
 *
 *   subscriber   sends SUBSCRIBE, receives NOTIFY
 *                IDLE -subscribe-> NOTIFY_WAIT -NOTIFY-> PENDING | ACTIVE -terminated, 481, expiry-> TERMINATED -retry-> NOTIFY_WAIT
 *   notifier     receives SUBSCRIBE, sends NOTIFY
 *                (SUBSCRIBE) -> PENDING | ACTIVE -unsubscribe, expiry, end, failed NOTIFY-> TERMINATED
 *
 * Call step, then take the actions with ..._next() until it returns false, then set the timer from ..._deadline(). A step before all
 * actions are taken fails XFED_REQUIRE. Times are in milliseconds, durations in seconds as in the header fields.
 */
#ifndef GATEWAY_SIP_EVENT_H
#define GATEWAY_SIP_EVENT_H

#include "sip/message.h"
#include "xfed/env.h"

/* ---- Subscription-State ---- */

/* Reasons with which a subscription ends (RFC 6665 section 4.1.3), and what its subscriber does then. */
#define SIP_END_REASONS(X)                                                                                                                           \
	X(NONE, "", LATER) /* no reason, or an unknown one */                                                                                        \
	X(DEACTIVATED, "deactivated", NOW)                                                                                                           \
	X(PROBATION, "probation", LATER)                                                                                                             \
	X(REJECTED, "rejected", NEVER)                                                                                                               \
	X(TIMEOUT, "timeout", NOW)                                                                                                                   \
	X(GIVEUP, "giveup", LATER)                                                                                                                   \
	X(NORESOURCE, "noresource", NEVER)                                                                                                           \
	X(INVARIANT, "invariant", NEVER)

enum sip_end_reason {
#define X(id, word, again) SIP_END_##id,
	SIP_END_REASONS(X)
#undef X
};
const char *sip_end_reason_word(enum sip_end_reason r);

enum sip_sub_state { SIP_SUB_IDLE, SIP_SUB_NOTIFY_WAIT, SIP_SUB_PENDING, SIP_SUB_ACTIVE, SIP_SUB_TERMINATED };
const char *sip_sub_state_word(enum sip_sub_state s); /* "pending", "active", "terminated"; else "" */

struct sip_sub_value {
	enum sip_sub_state state; /* PENDING, ACTIVE, TERMINATED; an unknown word counts as ACTIVE (section 4.1.3) */
	int64_t expires_s;	  /* -1: absent */
	enum sip_end_reason reason;
	int64_t retry_after_s; /* -1: absent */
};

/* OK or INVALID. */
int sip_sub_value_parse(struct xfed_span value, struct sip_sub_value *out);
#define SIP_SUB_VALUE_SIZE 96
/* Prints it; returns the length. */
size_t sip_sub_value_print(const struct sip_sub_value *v, char out[SIP_SUB_VALUE_SIZE]);

/* The package in an Event value, and its id parameter (data NULL: absent). OK or INVALID. */
int sip_event_parse(struct xfed_span value, struct xfed_span *package, struct xfed_span *id);

/* Whether this status to a request inside the dialog ends the subscription (RFC 5057 section 5.1; 408 does too). */
bool sip_status_ends_subscription(int status);
/* Statuses of SUBSCRIBE that say no for good: it is not asked again. */
bool sip_status_refuses_subscription(int status);

/* ---- the subscriber ---- */

enum sip_subscriber_event_kind {
	SIP_SUBSCRIBER_SUBSCRIBE,   /* for `expires_s`; also after UNSUBSCRIBE, to start again; one that is to be tried later is tried then */
	SIP_SUBSCRIBER_UNSUBSCRIBE, /* the subscription is not wanted any more */
	SIP_SUBSCRIBER_ANSWER,	    /* response to SUBSCRIBE `number`: final `status`; expires_s, min_expires_s, retry_after_s: -1 where absent */
	SIP_SUBSCRIBER_NO_ANSWER,   /* none to SUBSCRIBE `number`: Timer F, or it could not be sent */
	SIP_SUBSCRIBER_NOTIFY,	    /* value */
	SIP_SUBSCRIBER_DOUBT,	    /* the peer may have forgotten it: is asked at once; one that was to be tried again later is tried now */
	SIP_SUBSCRIBER_TICK,
};

struct sip_subscriber_event {
	enum sip_subscriber_event_kind kind;
	uint32_t number; /* number of the SUBSCRIBE that got the response */
	int status;
	int64_t expires_s, min_expires_s, retry_after_s;
	struct sip_sub_value value;
};

enum sip_subscriber_action_kind {
	SIP_SUBSCRIBER_SEND,	/* send SUBSCRIBE with expires_s; is_new: outside a dialog, for a new subscription; `number` is for its response */
	SIP_SUBSCRIBER_CHANGED, /* state, reason, status (the answer that ended it, or 0) */
};

struct sip_subscriber_action {
	enum sip_subscriber_action_kind kind;
	uint32_t number;
	int64_t expires_s;
	bool is_new;
	enum sip_sub_state state;
	enum sip_end_reason reason;
	int status;
};

struct sip_subscriber {
	const struct xfed_env *env;
	int64_t wanted_s;
	int64_t refresh_most_s; /* the owner's, at any time: no longer between two refreshes, whatever is granted; 0: no limit */
	uint64_t expires_ms, refresh_ms, notify_by_ms, retry_ms; /* UINT64_MAX: not set */
	uint32_t number;
	unsigned failures; /* number in a row */
	enum sip_sub_state state : 8;
	bool is_in_flight : 1; /* the last SUBSCRIBE, `number`, has no response yet */
	bool is_unwanted : 1;  /* UNSUBSCRIBE has come */
	bool is_ending : 1;    /* a SUBSCRIBE with Expires 0 has been sent, and the last NOTIFY is awaited */
	bool is_missed : 1;    /* UNSUBSCRIBE and SUBSCRIBE came while one was in flight: what its NOTIFY said was not taken, and is asked for anew */
	bool is_asked_back : 1; /* 423 has been followed once */
	bool has_dialog : 1;	/* a 2xx or a NOTIFY has come */
	/* Actions that are not taken yet: CHANGED, with what it says, and then SEND. */
	bool must_tell : 1, must_send : 1, must_send_end : 1;
	enum sip_sub_state told_state : 8;
	enum sip_end_reason told_reason : 8;
	int told_status;
};

void sip_subscriber_init(struct sip_subscriber *s, const struct xfed_env *env);
void sip_subscriber_step(struct sip_subscriber *s, const struct sip_subscriber_event *ev, uint64_t now_ms);
bool sip_subscriber_next(struct sip_subscriber *s, struct sip_subscriber_action *act);
uint64_t sip_subscriber_deadline(const struct sip_subscriber *s);

/* ---- the notifier ---- */

enum sip_notifier_event_kind {
	SIP_NOTIFIER_SUBSCRIBE, /* expires_s as requested, -1: absent. The first one begins, later ones refresh, 0 ends it or fetches the state */
	SIP_NOTIFIER_ACTIVATE,	/* approved: pending becomes active */
	SIP_NOTIFIER_STATE, /* the watched state has changed; is_urgent: notify at once (it went offline), as the first after SUBSCRIBE or ACTIVATE */
	SIP_NOTIFIER_DOUBT, /* the peer may have forgotten it, or missed something: notify again */
	SIP_NOTIFIER_END,   /* reason, retry_after_s */
	SIP_NOTIFIER_ANSWER, /* final `status` of the NOTIFY that is running (408 where none has come), retry_after_s */
	SIP_NOTIFIER_UNSENT, /* it has not gone out as there is no way now, or the connection it went over broke */
	SIP_NOTIFIER_TICK,
};

struct sip_notifier_event {
	enum sip_notifier_event_kind kind;
	int64_t expires_s, retry_after_s;
	bool is_urgent;
	enum sip_end_reason reason;
	int status;
};

enum sip_notifier_action_kind {
	SIP_NOTIFIER_RESPOND, /* respond to the SUBSCRIBE: 200 with expires_s, or 423 with min_expires_s */
	SIP_NOTIFIER_NOTIFY,  /* send NOTIFY with `value` and the present state of what is watched */
	SIP_NOTIFIER_GONE,    /* it has ended; the last NOTIFY was answered, or cannot be delivered */
};

struct sip_notifier_action {
	enum sip_notifier_action_kind kind;
	int status;
	int64_t expires_s, min_expires_s;
	struct sip_sub_value value;
};

struct sip_notifier_config {
	int32_t expires_default_s, expires_min_s, expires_max_s;
	bool is_pending; /* starts in PENDING, until ACTIVATE */
};

struct sip_notifier {
	struct sip_notifier_config config;
	enum sip_sub_state state : 8;
	enum sip_end_reason reason : 8;
	bool is_in_flight : 1; /* a NOTIFY has no response yet */
	bool is_due : 1;       /* a NOTIFY is due */
	bool is_urgent : 1;    /* and it does not wait for the rate limit */
	bool is_first : 1;     /* no state was notified since SUBSCRIBE or ACTIVATE but in answer to it */
	bool is_gone : 1;
	unsigned todo : 8; /* actions that are not taken yet, a bit each; with: */
	int status;
	int64_t granted_s, left_s;
	int64_t retry_after_s;
	uint64_t expires_ms, token_ms, hold_ms;
	unsigned tokens;   /* number of NOTIFYs that may be sent now; one more at `token_ms` */
	unsigned failures; /* NOTIFYs in a row that reached nobody, or were not taken but for now, so that the next one waits until `hold_ms` */
};

void sip_notifier_init(struct sip_notifier *n, const struct sip_notifier_config *config);
void sip_notifier_step(struct sip_notifier *n, const struct sip_notifier_event *ev, uint64_t now_ms);
bool sip_notifier_next(struct sip_notifier *n, struct sip_notifier_action *act);
uint64_t sip_notifier_deadline(const struct sip_notifier *n);

#endif
