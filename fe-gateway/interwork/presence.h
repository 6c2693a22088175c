/*
 * What is known of one user's presence, whichever side it comes from (RFC 6121 section 4, RFC 8048, RFC 3863, RFC 4480): his devices, and
 * what is said of the person. Read and written as presence stanzas here, as PIDF in interwork/pidf.h; what show and activities mean to
 * each other is interwork/presence_map.h.
 */
#ifndef GATEWAY_INTERWORK_PRESENCE_H
#define GATEWAY_INTERWORK_PRESENCE_H

#include "interwork/im.h"

#define IW_NS_IDLE "urn:xmpp:idle:1" /* XEP-0319 */

#define IW_DEVICES_MAX	 64   /* of one user, in one document: more are refused when read, left out when written */
#define IW_NOTES_MAX	 8    /* of one device or person, each in another language; what is beyond is left out */
#define IW_NOTE_BYTES	 1024 /* of a note taken over, cut between characters */
#define IW_NAME_BYTES	 1023 /* of a device's name: RFC 7622 section 3.4 */
#define IW_PRIORITY_NONE INT16_MIN

/* X(id, word), in the order of how little the person can be reached: of several the last one holds. */
#define IW_SHOWS(X) X(NONE, "available") X(CHAT, "chat") X(AWAY, "away") X(XA, "xa") X(DND, "dnd")

enum iw_show {
#define IW_SHOW_ID(id, word) IW_SHOW_##id,
	IW_SHOWS(IW_SHOW_ID)
#undef IW_SHOW_ID
		IW_SHOWS_COUNT
};

/* X(id, element of RFC 4480 section 3.2, show it means unless configured otherwise [B5-16]). */
#define IW_ACTIVITIES(X)                                                                                                                             \
	X(APPOINTMENT, "appointment", DND)                                                                                                           \
	X(AWAY, "away", AWAY)                                                                                                                        \
	X(BREAKFAST, "breakfast", NONE)                                                                                                              \
	X(BUSY, "busy", DND)                                                                                                                         \
	X(DINNER, "dinner", NONE)                                                                                                                    \
	X(HOLIDAY, "holiday", XA)                                                                                                                    \
	X(IN_TRANSIT, "in-transit", NONE)                                                                                                            \
	X(LOOKING_FOR_WORK, "looking-for-work", NONE)                                                                                                \
	X(LUNCH, "lunch", NONE)                                                                                                                      \
	X(MEAL, "meal", NONE)                                                                                                                        \
	X(MEETING, "meeting", DND)                                                                                                                   \
	X(ON_THE_PHONE, "on-the-phone", DND)                                                                                                         \
	X(PERFORMANCE, "performance", NONE)                                                                                                          \
	X(PERMANENT_ABSENCE, "permanent-absence", XA)                                                                                                \
	X(PLAYING, "playing", NONE)                                                                                                                  \
	X(PRESENTATION, "presentation", DND)                                                                                                         \
	X(SHOPPING, "shopping", NONE)                                                                                                                \
	X(SLEEPING, "sleeping", XA)                                                                                                                  \
	X(SPECTATOR, "spectator", NONE)                                                                                                              \
	X(STEERING, "steering", NONE)                                                                                                                \
	X(TRAVEL, "travel", XA)                                                                                                                      \
	X(TV, "tv", NONE)                                                                                                                            \
	X(VACATION, "vacation", XA)                                                                                                                  \
	X(WORKING, "working", NONE)                                                                                                                  \
	X(WORSHIP, "worship", NONE)

enum iw_activity {
#define IW_ACTIVITY_ID(id, word, show) IW_ACTIVITY_##id,
	IW_ACTIVITIES(IW_ACTIVITY_ID)
#undef IW_ACTIVITY_ID
		IW_ACTIVITIES_COUNT
};

typedef uint32_t iw_activity_set; /* 1 << enum iw_activity */

const char *iw_show_word(enum iw_show s);
const char *iw_activity_word(enum iw_activity a);
/* False where there is no such word; "available" is none of RFC 6121. */
bool iw_show_of_word(struct xfed_span word, enum iw_show *out);
bool iw_activity_of_word(struct xfed_span word, enum iw_activity *out);

struct iw_note {
	struct xfed_span text;	   /* UTF-8 that XML can hold; never empty, no white space at its ends */
	struct xfed_span language; /* a tag of RFC 5646; data NULL: not said */
};

struct iw_notes {
	size_t count;
	struct iw_note list[IW_NOTES_MAX]; /* behind the count: a copy ends with its last note */
};

/* Spans are borrowed: whoever fills a device says how long they live. */
struct iw_device {
	struct xfed_span name; /* resource, or tuple id; data NULL: the user himself, by no device in particular */
	bool is_open;	       /* where not, only name, notes and changed_s are said */
	enum iw_show show;
	int16_t priority; /* -128 to 127, or IW_PRIORITY_NONE: not said, which is 0 to XMPP */
	iw_activity_set activities;
	int64_t idle_since_s;  /* seconds since 1970; 0: in use, or not said */
	int64_t changed_s;     /* when this was said; 0: not said */
	struct iw_notes notes; /* last: see iw_device_copy() */
};

struct iw_person {
	iw_activity_set activities;
	int64_t idle_since_s;
	struct iw_notes notes;
};

struct iw_presence {
	struct iw_device *devices; /* one for each name */
	size_t count;
	struct iw_person person;
	struct xfed_span entity; /* of a PIDF that was read: the URI as it came */
};

/*
 * Adds a note without the white space at its ends, cut to IW_NOTE_BYTES; a language that is no tag counts as none. Left out is one
 * without text, a second one in a language, and what is beyond IW_NOTES_MAX. Borrows both.
 */
void iw_notes_add(struct iw_notes *n, struct xfed_span text, struct xfed_span language);

/* Nothing but whether it is open, its name, when and its notes is said of a device that is closed. */
void iw_device_settle(struct iw_device *d);

/* The same but for changed_s: nothing that a watcher need be told ([B5-12]). */
bool iw_device_equal(const struct iw_device *x, const struct iw_device *y);

/* More worth telling first, as some clients read the first tuple only: open, by priority, reachable, in use, changed last. */
bool iw_device_is_before(const struct iw_device *x, const struct iw_device *y);

/*
 * A copy with its texts, in one block released with xfed_free(), no larger than its notes: it is never assigned as a whole, but by
 * iw_device_assign(), which borrows its texts. NULL on NOMEM.
 */
struct iw_device *iw_device_copy(const struct iw_device *d);
void iw_device_assign(struct iw_device *to, const struct iw_device *from);

/*
 * A presence stanza of no type or type unavailable to a device. Show of the four legal values only, priority in its range only, else as
 * absent ([A11-10]); idle by XEP-0319, else by XEP-0256. `now_s`: wall time. Spans are in the stanza's tree or the arena. XFED_OK,
 * XFED_ERR_NOMEM, or XFED_ERR_INVALID: it is no such stanza ([B5-19] for errors).
 */
int iw_presence_read(struct xfed_arena *a, const struct xfed_stanza *s, int64_t now_s, struct iw_device *out);

/*
 * The stanza in jabber:server that tells of this device, from its full JID: the bare one of `e->from` and the name, or, where that is
 * no resource, the tuple id that stands for it. One <status/> for each note; no show, priority or idle where it is closed ([B5-18]).
 * Of `e` type and thread are not looked at; sent_s becomes <delay/>. Borrows the spans of both: write it out before they go. XFED_OK, or
 * XFED_ERR_NOMEM.
 */
int iw_presence_write(struct xfed_arena *a, const struct iw_device *d, const struct iw_xmpp_envelope *e, struct xfed_xml_elem **out);

#endif
