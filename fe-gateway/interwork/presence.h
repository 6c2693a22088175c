/*
 * A user's presence, from either side (RFC 6121 section 4, RFC 8048, RFC 3863, RFC 4480): the devices, and what is said about the person.
 * This file reads and writes it as presence stanzas, interwork/pidf.h as PIDF; interwork/presence_map.h translates between show and
 * activities.
 */
#ifndef GATEWAY_INTERWORK_PRESENCE_H
#define GATEWAY_INTERWORK_PRESENCE_H

#include "interwork/im.h"

#define IW_NS_IDLE "urn:xmpp:idle:1" /* XEP-0319 */

#define IW_DEVICES_MAX	 64   /* of one user, in one document: a document with more is refused, and no more are written */
#define IW_NOTES_MAX	 8    /* of one device or person, each in another language; further ones are left out */
#define IW_NOTE_BYTES	 1024 /* limit of a note, cut between characters */
#define IW_NAME_BYTES	 1023 /* of a device's name: RFC 7622 section 3.4 */
#define IW_PRIORITY_NONE INT16_MIN

/* X(id, word), from most to least reachable: of several the last one counts. */
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
/* False: there is no such word; "available" is no word of RFC 6121. */
bool iw_show_of_word(struct xfed_span word, enum iw_show *out);
bool iw_activity_of_word(struct xfed_span word, enum iw_activity *out);

struct iw_note {
	struct xfed_span text;	   /* UTF-8 allowed in XML, trimmed, never empty */
	struct xfed_span language; /* a tag of RFC 5646; data NULL: not said */
};

struct iw_notes {
	size_t count;
	struct iw_note list[IW_NOTES_MAX]; /* behind the count: a copy ends with its last note */
};

/* Spans are borrowed: whoever fills in a device says how long they are valid. */
struct iw_device {
	struct xfed_span name; /* resource or tuple id; data NULL: the user, without a particular device */
	bool is_open;	       /* if not, only name, notes and changed_s are valid */
	enum iw_show show;
	int16_t priority; /* -128 to 127, or IW_PRIORITY_NONE: not said, which XMPP takes as 0 */
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
	struct iw_device *devices; /* names are unique */
	size_t count;
	struct iw_person person;
	struct xfed_span entity; /* from a PIDF document: the URI as received */
};

/*
 * Adds a note, trimmed and cut to IW_NOTE_BYTES; an invalid language tag counts as none. Not added: a note without text, a second one in a
 * language, and more than IW_NOTES_MAX. Borrows both.
 */
void iw_notes_add(struct iw_notes *n, struct xfed_span text, struct xfed_span language);

/* Clears what is not valid for a closed device: all but its name, time and notes. */
void iw_device_settle(struct iw_device *d);

/* Equal in all but changed_s, so that watchers need not be notified ([B5-12]). */
bool iw_device_equal(const struct iw_device *x, const struct iw_device *y);

/*
 * Order of devices for watchers, as some clients read only the first tuple: open ones first, then by priority, reachability, use, and time
 * of change.
 */
bool iw_device_is_before(const struct iw_device *x, const struct iw_device *y);

/*
 * A copy with its strings, in one block released with xfed_free() and no larger than its notes: it is never assigned as a whole, but by
 * iw_device_assign(), which borrows its strings. NULL: no memory.
 */
struct iw_device *iw_device_copy(const struct iw_device *d);
void iw_device_assign(struct iw_device *to, const struct iw_device *from);

/*
 * Reads a presence stanza without type, or of type unavailable, into a device. An invalid show or priority counts as absent ([A11-10]);
 * idle is read from XEP-0319, else from XEP-0256. `now_s`: wall-clock time. Spans point into the stanza's tree or the arena. XFED_OK,
 * XFED_ERR_NOMEM, or XFED_ERR_INVALID: it is no such stanza ([B5-19] for errors).
 */
int iw_presence_read(struct xfed_arena *a, const struct xfed_stanza *s, int64_t now_s, struct iw_device *out);

/*
 * Makes the stanza in jabber:server for this device, from its full JID: the bare JID of `e->from` with the name, or, if that is no valid
 * resource, the tuple id for it. One <status/> per note; no show, priority or idle if it is closed ([B5-18]). Type and thread of `e` are
 * not used; sent_s becomes <delay/>. Borrows the spans of both: write it out before they end. XFED_OK, or XFED_ERR_NOMEM.
 */
int iw_presence_write(struct xfed_arena *a, const struct iw_device *d, const struct iw_xmpp_envelope *e, struct xfed_xml_elem **out);

#endif
