/*
 * Subscriptions (RFC 6665) without I/O: the values of their header fields, and the two ends as machines. Who owns one owns its
 * dialog (sip/dialog.h) too; the machines see statuses, states and times, no messages.
 *
 *   subscriber   asks (SUBSCRIBE) and hears (NOTIFY)
 *                IDLE -subscribe-> NOTIFY_WAIT -NOTIFY-> PENDING | ACTIVE -terminated, 481, expiry-> TERMINATED -retry-> NOTIFY_WAIT
 *   notifier     is asked and tells
 *                (SUBSCRIBE) -> PENDING | ACTIVE -unsubscribe, expiry, end, failed NOTIFY-> TERMINATED
 *
 * Step, then take the actions with ..._next() until it says false, then rearm from ..._deadline(). A step while actions are
 * undrained is XFED_REQUIRE. Times are milliseconds, durations in seconds as the header fields have them.
 */
#ifndef GATEWAY_SIP_EVENT_H
#define GATEWAY_SIP_EVENT_H

#include "sip/message.h"
#include "xfed/env.h"

/* ---- Subscription-State ---- */

/* Words a subscription ends with (RFC 6665 section 4.1.3), and what its subscriber does then. */
#define SIP_END_REASONS(X)                                                                                                                           \
	X(NONE, "", LATER) /* none, or one nobody knows */                                                                                           \
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
	enum sip_sub_state state; /* PENDING, ACTIVE, TERMINATED; another word counts as ACTIVE, as section 4.1.3 has it */
	int64_t expires_s;	  /* -1: not said */
	enum sip_end_reason reason;
	int64_t retry_after_s; /* -1: not said */
};

/* OK or INVALID. */
int sip_sub_value_parse(struct xfed_span value, struct sip_sub_value *out);
#define SIP_SUB_VALUE_SIZE 96
/* Its text into `out`; returns the length. */
size_t sip_sub_value_print(const struct sip_sub_value *v, char out[SIP_SUB_VALUE_SIZE]);

/* The package of an Event value, and its id parameter (data NULL: none). OK or INVALID. */
int sip_event_parse(struct xfed_span value, struct xfed_span *package, struct xfed_span *id);

/* Statuses that end the dialog's use by a subscription when a request inside it gets them (RFC 5057 section 5.1, 408 too). */
bool sip_status_ends_subscription(int status);
/* Statuses of SUBSCRIBE that say no for good: it is not asked again. */
bool sip_status_refuses_subscription(int status);

/* ---- the subscriber ---- */

enum sip_subscriber_event_kind {
	SIP_SUBSCRIBER_SUBSCRIBE,   /* expires_s: how long; also after UNSUBSCRIBE, to begin anew */
	SIP_SUBSCRIBER_UNSUBSCRIBE, /* nothing more is to come */
	SIP_SUBSCRIBER_ANSWER,	    /* number, status (final), expires_s, min_expires_s, retry_after_s: -1 where absent */
	SIP_SUBSCRIBER_NO_ANSWER,   /* number: Timer F, or no way there */
	SIP_SUBSCRIBER_NOTIFY,	    /* value */
	SIP_SUBSCRIBER_DOUBT,	    /* the peer may have forgotten it: is asked at once; one that was to be tried again later is tried now */
	SIP_SUBSCRIBER_TICK,
};

struct sip_subscriber_event {
	enum sip_subscriber_event_kind kind;
	uint32_t number; /* of the SUBSCRIBE that is answered */
	int status;
	int64_t expires_s, min_expires_s, retry_after_s;
	struct sip_sub_value value;
};

enum sip_subscriber_action_kind {
	SIP_SUBSCRIBER_SEND,	/* a SUBSCRIBE with expires_s; is_new: outside a dialog, for a new subscription; number: for its answer */
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
	enum sip_sub_state state;
	bool is_in_flight; /* the last SUBSCRIBE, `number`, is not answered yet */
	uint32_t number;
	bool is_unwanted;   /* UNSUBSCRIBE has come */
	bool is_ending;	    /* a SUBSCRIBE with Expires 0 is out, the last NOTIFY awaited */
	bool is_asked_back; /* 423 was heeded once */
	bool has_dialog;    /* a 2xx or a NOTIFY has come */
	int64_t wanted_s;
	int64_t refresh_most_s; /* the owner's, at any time: no longer between two refreshes, whatever is granted; 0: no matter */
	unsigned failures;	/* in a row */
	uint64_t expires_ms, refresh_ms, notify_by_ms, retry_ms; /* UINT64_MAX: not set */
	struct sip_subscriber_action actions[4];
	unsigned action_count, action_next;
};

void sip_subscriber_init(struct sip_subscriber *s, const struct xfed_env *env);
void sip_subscriber_step(struct sip_subscriber *s, const struct sip_subscriber_event *ev, uint64_t now_ms);
bool sip_subscriber_next(struct sip_subscriber *s, struct sip_subscriber_action *act);
uint64_t sip_subscriber_deadline(const struct sip_subscriber *s);

/* ---- the notifier ---- */

enum sip_notifier_event_kind {
	SIP_NOTIFIER_SUBSCRIBE, /* expires_s as asked for, -1: not said. The first begins, later ones refresh, 0 ends or fetches */
	SIP_NOTIFIER_ACTIVATE,	/* approved: pending becomes active */
	SIP_NOTIFIER_STATE, /* what is watched has changed; is_urgent: is told at once (it went offline), and so is the first after SUBSCRIBE or ACTIVATE */
	SIP_NOTIFIER_DOUBT,  /* the peer may have forgotten it, or missed something: it is told again */
	SIP_NOTIFIER_END,    /* reason, retry_after_s */
	SIP_NOTIFIER_ANSWER, /* status, retry_after_s: of the NOTIFY under way */
	SIP_NOTIFIER_NO_ANSWER,
	SIP_NOTIFIER_UNSENT, /* it has not gone out: there is no way now */
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
	SIP_NOTIFIER_RESPOND, /* to the SUBSCRIBE: status 200 with expires_s, or 423 with min_expires_s */
	SIP_NOTIFIER_NOTIFY,  /* value: with the state of what is watched as it is now */
	SIP_NOTIFIER_GONE,    /* nothing more comes; the last NOTIFY was answered, or nobody takes it */
};

struct sip_notifier_action {
	enum sip_notifier_action_kind kind;
	int status;
	int64_t expires_s, min_expires_s;
	struct sip_sub_value value;
};

struct sip_notifier_config {
	int64_t expires_default_s, expires_min_s, expires_max_s;
	bool is_pending; /* begins in PENDING, until ACTIVATE */
};

struct sip_notifier {
	struct sip_notifier_config config;
	enum sip_sub_state state;
	bool is_in_flight; /* a NOTIFY is not answered yet */
	bool is_due;	   /* something is to be told */
	bool is_urgent;	   /* ... without regard to the rate */
	bool is_first;	   /* nothing was told since SUBSCRIBE or ACTIVATE but the answer to it */
	bool is_gone;
	enum sip_end_reason reason;
	int64_t retry_after_s;
	uint64_t expires_ms;
	unsigned tokens; /* NOTIFYs that may go now; one more at `token_ms` */
	uint64_t token_ms;
	unsigned failures; /* NOTIFYs in a row that reached nobody, or were not taken but for now */
	uint64_t hold_ms;  /* ... so that the next one waits until then */
	unsigned todo;	   /* actions that are not taken yet, a bit each; with: */
	int status;
	int64_t granted_s, left_s;
};

void sip_notifier_init(struct sip_notifier *n, const struct sip_notifier_config *config);
void sip_notifier_step(struct sip_notifier *n, const struct sip_notifier_event *ev, uint64_t now_ms);
bool sip_notifier_next(struct sip_notifier *n, struct sip_notifier_action *act);
uint64_t sip_notifier_deadline(const struct sip_notifier *n);

#endif
