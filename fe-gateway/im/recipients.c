#include "im/recipients.h"

#include <utlist.h>

/* Key for what one partner has in the queue of one recipient. */
struct part_key {
	const struct recipient *who;
	uint64_t share;
};

struct recipient_part {
	struct part_key key;
	size_t count, bytes;
	UT_hash_handle hh;
};

struct recipient {
	struct recipient_item *items;
	size_t count, bytes;
	size_t parts;		     /* number of partners that have messages in the queue */
	struct recipient_part first; /* the part of one partner, mostly the only one; further parts are in the table */
	struct recipient *ready_prev, *ready_next;
	bool is_ready; /* recipients_next() has to look at it */
	struct recipient_item *under_way;
	size_t address_len;
	UT_hash_handle hh;
	char address[]; /* not NUL-terminated */
};

struct recipients {
	struct recipients_limits limits;
	struct recipient *table, *ready;
	struct recipient_part *parts;
	struct recipient_item *all;
	size_t count;
};

int recipients_new(const struct recipients_limits *limits, struct recipients **out)
{
	struct recipients *r = xfed_calloc(1, sizeof(*r));
	*out = r;
	if (!r) {
		return XFED_ERR_NOMEM;
	}
	r->limits = *limits;
	return XFED_OK;
}

void recipients_set_limits(struct recipients *r, const struct recipients_limits *limits)
{
	r->limits = *limits;
}

static void set_ready(struct recipients *r, struct recipient *who, bool is_ready)
{
	if (who->is_ready == is_ready) {
		return;
	}
	who->is_ready = is_ready;
	if (is_ready) {
		DL_APPEND2(r->ready, who, ready_prev, ready_next);
	} else {
		DL_DELETE2(r->ready, who, ready_prev, ready_next);
	}
}

static void release(struct recipients *r, struct recipient *who)
{
	set_ready(r, who, false);
	HASH_DELETE(hh, r->table, who);
	xfed_free(who);
}

static void release_part(struct recipients *r, struct recipient_part *part)
{
	HASH_DELETE(hh, r->parts, part);
	xfed_free(part);
}

void recipients_free(struct recipients *r)
{
	if (!r) {
		return;
	}
	struct recipient *who, *next;
	struct recipient_part *part, *next_part;
	HASH_ITER(hh, r->table, who, next) {
		release(r, who);
	}
	HASH_ITER(hh, r->parts, part, next_part) {
		release_part(r, part);
	}
	xfed_free(r);
}

static struct recipient *find_or_make(struct recipients *r, struct xfed_span address)
{
	struct recipient *who = NULL;
	HASH_FIND(hh, r->table, address.data, address.len, who);
	if (who) {
		return who;
	}
	who = xfed_malloc(sizeof(*who) + address.len);
	if (!who) {
		return NULL;
	}
	memset(who, 0, sizeof(*who));
	memcpy(who->address, address.data, address.len);
	who->address_len = address.len;
	HASH_ADD_KEYPTR(hh, r->table, who->address, who->address_len, who);
	if (!XFED_TABLE_ADDED(who)) {
		xfed_free(who);
		return NULL;
	}
	return who;
}

static struct recipient_part *find_or_make_part(struct recipients *r, struct recipient *who, uint64_t share)
{
	struct recipient_part *part = NULL, *first = &who->first;
	struct part_key key = { who, share };
	if (first->count > 0 && first->key.share == share) {
		return first;
	}
	if (who->parts > (first->count > 0)) {
		HASH_FIND(hh, r->parts, &key, sizeof(key), part);
	}
	if (part) {
		return part;
	}
	if (first->count == 0) {
		first->key = key;
		return first;
	}
	part = xfed_calloc(1, sizeof(*part));
	if (!part) {
		return NULL;
	}
	part->key = key;
	HASH_ADD(hh, r->parts, key, sizeof(part->key), part);
	if (!XFED_TABLE_ADDED(part)) {
		xfed_free(part);
		return NULL;
	}
	return part;
}

/* Whether one more fits into so many quarters of the limits. */
static bool fits(const struct recipients_limits *most, const struct recipient *who, size_t bytes, size_t quarters)
{
	return who->count < most->messages * quarters / 4 && bytes <= most->bytes && who->bytes + bytes <= most->bytes / 4 * quarters;
}

/* Whether the partner has, with one more, no more than an equal part of the limits. */
static bool is_fair(const struct recipients_limits *most, const struct recipient *who, const struct recipient_part *part, size_t bytes)
{
	size_t partners = who->parts + (part->count == 0);
	return partners == 1 || (part->count < most->messages / partners && part->bytes + bytes <= most->bytes / partners);
}

/* Whether the partner leaves, with one more, as much of the quarter above the limits as it has itself, so that another partner still finds room. */
static bool leaves_room(const struct recipients_limits *most, const struct recipient *who, const struct recipient_part *part, size_t bytes)
{
	size_t count = most->messages * 5 / 4 - who->count - 1, left = most->bytes / 4 * 5 - who->bytes - bytes;
	return part->count == 0 || (part->count < count && part->bytes + bytes <= left);
}

/*
 * A partner that is alone may fill the queue. Beside others it may add as long as a quarter of the limits is free, and then up to an equal
 * part. A quarter above the limits is for partners that find the queue filled by others. One message always fits, whatever its size: the
 * limit on the queue is not one on messages.
 */
static bool has_room(const struct recipients_limits *most, const struct recipient *who, const struct recipient_part *part, size_t bytes)
{
	return who->count == 0 || fits(most, who, bytes, 3) || (fits(most, who, bytes, 4) && is_fair(most, who, part, bytes)) ||
	       (fits(most, who, bytes, 5) && who->parts + (part->count == 0) > 1 && leaves_room(most, who, part, bytes));
}

/* Frees the recipient and the part where they hold nothing any more. */
static void release_unused(struct recipients *r, struct recipient *who, struct recipient_part *part)
{
	if (part && part->count == 0 && part != &who->first) {
		release_part(r, part);
	}
	if (who->count == 0) {
		release(r, who);
	}
}

int recipients_add(struct recipients *r, struct xfed_span address, struct recipient_item *it)
{
	struct recipient *who = find_or_make(r, address);
	if (!who) {
		return XFED_ERR_NOMEM;
	}
	struct recipient_part *part = find_or_make_part(r, who, it->share);
	if (!part || !has_room(&r->limits, who, part, it->bytes)) {
		release_unused(r, who, part);
		return part ? XFED_ERR_LIMIT : XFED_ERR_NOMEM;
	}
	it->recipient = who;
	it->part = part;
	it->has_come_out = it->is_asked = false;
	/* behind a message of the same run it has to wait in any case */
	bool may_come_out = !who->under_way && (!who->items || who->items->prev->run != it->run);
	DL_APPEND(who->items, it);
	DL_APPEND2(r->all, it, all_prev, all_next);
	who->count++;
	who->bytes += it->bytes;
	who->parts += part->count++ == 0;
	part->bytes += it->bytes;
	r->count++;
	set_ready(r, who, may_come_out || who->is_ready);
	return XFED_OK;
}

#define RUNS_SEEN 16 /* messages of further runs in one queue wait */

/* Whether a message of the same sender is before it in the queue. */
static bool is_behind_itself(const struct recipient *who, const struct recipient_item *it)
{
	const struct recipient_item *e = who->items;
	while (e != it && (it->sender == 0 || e->sender != it->sender)) {
		e = e->next;
	}
	return e != it;
}

/* The first message of the queue that may be attempted: of a run that is being asked about an earlier message, none may. */
static struct recipient_item *first_that_may(const struct recipient *who)
{
	uint64_t seen[RUNS_SEEN];
	size_t n = 0;
	for (struct recipient_item *it = who->items; it && n < RUNS_SEEN; it = it->next) {
		size_t i = 0;
		while (i < n && seen[i] != it->run) {
			i++;
		}
		if (i == n && !it->has_come_out && !is_behind_itself(who, it)) {
			return it;
		}
		n = i == n ? n + 1 : n;
		seen[i] = it->run;
	}
	return NULL;
}

struct recipient_item *recipients_next(struct recipients *r)
{
	struct recipient *who;
	while ((who = r->ready)) {
		struct recipient_item *it = who->under_way ? NULL : first_that_may(who);
		set_ready(r, who, false);
		if (it) {
			it->has_come_out = true;
			who->under_way = it;
			return it;
		}
	}
	return NULL;
}

void recipients_ask(struct recipients *r, struct recipient_item *it)
{
	struct recipient *who = it->recipient;
	XFED_REQUIRE(who->under_way == it);
	it->is_asked = true;
	who->under_way = NULL;
	set_ready(r, who, true);
}

bool recipients_answered(struct recipients *r, struct recipient_item *it)
{
	struct recipient *who = it->recipient;
	if (!it->is_asked) {
		return true;
	}
	it->is_asked = false;
	it->has_come_out = who->under_way == NULL;
	who->under_way = who->under_way ? who->under_way : it;
	return who->under_way == it;
}

void recipients_remove(struct recipients *r, struct recipient_item *it)
{
	struct recipient *who = it->recipient;
	struct recipient_part *part = it->part;
	DL_DELETE(who->items, it);
	DL_DELETE2(r->all, it, all_prev, all_next);
	who->count--;
	who->bytes -= it->bytes;
	who->parts -= --part->count == 0;
	part->bytes -= it->bytes;
	r->count--;
	it->recipient = NULL;
	it->part = NULL;
	who->under_way = who->under_way == it ? NULL : who->under_way;
	set_ready(r, who, who->items && !who->under_way);
	release_unused(r, who, part);
}

struct recipient_item *recipients_behind(const struct recipient_item *it)
{
	return it->next;
}

struct recipient_item *recipients_iterate(const struct recipients *r, const struct recipient_item *after)
{
	return after ? after->all_next : r->all;
}

size_t recipients_count(const struct recipients *r)
{
	return r->count;
}
