#include "interwork/pidf.h"

#include "interwork/when.h"

#define ROUND	   127	/* the highest priority of XMPP */
#define THOUSANDTH 1000 /* the highest of PIDF */

static const char prefix[] = "ID-";
#define PREFIX_LEN (sizeof(prefix) - 1)

/* ---- tuple ids ---- */

static bool is_raw(char c)
{
	char lower = xfed_lower(c);
	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

int iw_pidf_id(struct xfed_arena *a, struct xfed_span name, struct xfed_span *id)
{
	static const char hex[] = "0123456789abcdef";
	char *p = xfed_arena_alloc(a, PREFIX_LEN + 3 * name.len);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = PREFIX_LEN;
	memcpy(p, prefix, PREFIX_LEN);
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = (uint8_t)name.data[i];
		if (is_raw(name.data[i])) {
			p[len++] = name.data[i];
		} else {
			p[len++] = '_';
			p[len++] = hex[c >> 4];
			p[len++] = hex[c & 15];
		}
	}
	*id = xfed_span_make(p, len);
	return XFED_OK;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes an id of ours stands for; -1: iw_pidf_id() would not have written it. */
static ptrdiff_t decode(struct xfed_span s, char *out)
{
	size_t len = 0;
	for (size_t i = 0; i < s.len; i++) {
		int high, low;
		if (is_raw(s.data[i])) {
			out[len++] = s.data[i];
			continue;
		}
		if (s.data[i] != '_' || s.len - i < 3 || (high = digit(s.data[i + 1])) < 0 || (low = digit(s.data[i + 2])) < 0) {
			return -1;
		}
		char c = (char)(uint8_t)(16 * high + low);
		bool is_control = (uint8_t)c < 0x20 && c != '\t' && c != '\n' && c != '\r';
		if (is_raw(c) || is_control) {
			return -1;
		}
		out[len++] = c;
		i += 2;
	}
	return xfed_utf8_is_valid(xfed_span_make(out, len)) ? (ptrdiff_t)len : -1;
}

int iw_pidf_name(struct xfed_arena *a, struct xfed_span id, struct xfed_span *name)
{
	*name = id;
	if (id.len < PREFIX_LEN || memcmp(id.data, prefix, PREFIX_LEN) != 0) {
		return XFED_OK;
	}
	char *p = xfed_arena_alloc(a, id.len);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	ptrdiff_t len = decode(xfed_span_make(id.data + PREFIX_LEN, id.len - PREFIX_LEN), p);
	if (len >= 0) {
		*name = xfed_span_make(len > 0 ? p : NULL, (size_t)len);
	}
	return XFED_OK;
}

/* ---- priorities: 0, 0.007, 0.015 ... 0.992, 1 (RFC 3922 sections 5.1.7 and 5.2.13) ---- */

int iw_pidf_priority(int16_t priority)
{
	return priority < 0 || priority > ROUND ? -1 : THOUSANDTH * priority / ROUND;
}

int16_t iw_pidf_priority_of(struct xfed_span s)
{
	int value = 0, digits = 0;
	for (size_t i = 1; i < s.len; i++) {
		if (i == 1 ? s.data[i] != '.' : s.data[i] < '0' || s.data[i] > '9') {
			return IW_PRIORITY_NONE;
		}
		/* Digits after the third are cut off. */
		value = i > 1 && digits < 3 ? 10 * value + (s.data[i] - '0') : value;
		digits += i > 1 && digits < 3;
	}
	for (; digits < 3; digits++) {
		value *= 10;
	}
	if (s.len == 0 || (*s.data != '0' && *s.data != '1') || (*s.data == '1' && value > 0)) {
		return IW_PRIORITY_NONE;
	}
	if (*s.data == '1') {
		return ROUND;
	}
	int priority = (value * ROUND + THOUSANDTH - 1) / THOUSANDTH;
	return (int16_t)(priority < ROUND ? priority : ROUND - 1);
}

/* ---- writing, by template: some clients look for "<rpid:busy/>" and no other spelling of it ---- */

static int put(struct xfed_buf *out, const char *before, struct xfed_span text, const char *behind)
{
	int rc = xfed_buf_append_str(out, before);
	rc = rc == XFED_OK ? xfed_xml_escape(out, text) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, behind) : rc;
}

static int put_notes(struct xfed_buf *out, const struct iw_notes *n)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < n->count && rc == XFED_OK; i++) {
		const struct iw_note *note = &n->list[i];
		rc = note->language.data ? put(out, "<note xml:lang=\"", note->language, "\">") : xfed_buf_append_str(out, "<note>");
		rc = rc == XFED_OK ? put(out, "", note->text, "</note>") : rc;
	}
	return rc;
}

static int put_rpid(struct xfed_buf *out, iw_activity_set activities, int64_t idle_since_s)
{
	char stamp[IW_WHEN_SIZE];
	int rc = activities ? xfed_buf_append_str(out, "<rpid:activities>") : XFED_OK;
	for (unsigned i = 0; i < IW_ACTIVITIES_COUNT && rc == XFED_OK; i++) {
		if (activities & 1u << i) {
			rc = xfed_buf_printf(out, "<rpid:%s/>", iw_activity_word((enum iw_activity)i));
		}
	}
	rc = rc == XFED_OK && activities ? xfed_buf_append_str(out, "</rpid:activities>") : rc;
	if (rc == XFED_OK && idle_since_s > 0 && iw_when_print(idle_since_s, stamp) == XFED_OK) {
		rc = xfed_buf_printf(out, "<rpid:user-input last-input=\"%s\">idle</rpid:user-input>", stamp);
	}
	return rc;
}

/* RFC 3863 section 4.1.2: status, then extensions, contact, notes, timestamp. */
static int put_device(struct xfed_buf *out, const struct iw_device *d, struct xfed_span contact, bool with_notes)
{
	struct xfed_arena a;
	struct xfed_span id;
	char stamp[IW_WHEN_SIZE];
	xfed_arena_init(&a, 4 * IW_NAME_BYTES + XFED_ARENA_KEEP);
	int thousandths = d->is_open ? iw_pidf_priority(d->priority) : -1;
	int rc = iw_pidf_id(&a, d->name, &id);
	rc = rc == XFED_OK ? put(out, "<tuple id=\"", id, "\"><status><basic>") : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, d->is_open ? "open</basic>" : "closed</basic>") : rc;
	if (rc == XFED_OK && d->is_open && d->show != IW_SHOW_NONE) {
		rc = xfed_buf_printf(out, "<show xmlns=\"" XFED_NS_CLIENT "\">%s</show>", iw_show_word(d->show));
	}
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "</status>") : rc;
	rc = rc == XFED_OK && d->is_open ? put_rpid(out, d->activities, d->idle_since_s) : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "<contact") : rc;
	if (rc == XFED_OK && thousandths >= 0) {
		bool is_end = thousandths % THOUSANDTH == 0;
		rc = is_end ? xfed_buf_printf(out, " priority=\"%d\"", thousandths / THOUSANDTH)
			    : xfed_buf_printf(out, " priority=\"0.%03d\"", thousandths);
	}
	rc = rc == XFED_OK ? put(out, ">", contact, "</contact>") : rc;
	rc = rc == XFED_OK && with_notes ? put_notes(out, &d->notes) : rc;
	if (rc == XFED_OK && d->changed_s > 0 && iw_when_print(d->changed_s, stamp) == XFED_OK) {
		rc = xfed_buf_printf(out, "<timestamp>%s</timestamp>", stamp);
	}
	xfed_arena_deinit(&a);
	return rc == XFED_OK ? xfed_buf_append_str(out, "</tuple>\n") : rc;
}

/* What follows the tuples. */
static int put_tail(struct xfed_buf *out, const struct iw_person *person, bool with_notes)
{
	int rc = with_notes ? put_notes(out, &person->notes) : XFED_OK;
	if (rc == XFED_OK && (person->activities || person->idle_since_s > 0)) {
		rc = xfed_buf_append_str(out, "<dm:person id=\"person\">");
		rc = rc == XFED_OK ? put_rpid(out, person->activities, person->idle_since_s) : rc;
		rc = rc == XFED_OK ? xfed_buf_append_str(out, "</dm:person>\n") : rc;
	}
	return rc == XFED_OK ? xfed_buf_append_str(out, "</presence>\n") : rc;
}

/* Chooses the devices to write, in order; returns their number. */
static size_t choose(const struct iw_presence *p, const struct iw_device *chosen[IW_DEVICES_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct iw_device *d = &p->devices[i];
		size_t at = count;
		while (at > 0 && iw_device_is_before(d, chosen[at - 1])) {
			at--;
		}
		if (at == IW_DEVICES_MAX) {
			continue;
		}
		count += count < IW_DEVICES_MAX;
		memmove(chosen + at + 1, chosen + at, (count - at - 1) * sizeof(*chosen));
		chosen[at] = d;
	}
	return count > 0 && !chosen[0]->is_open ? 1 : count;
}

static int put_devices(struct xfed_buf *out, const struct iw_presence *p, struct xfed_span contact)
{
	static const struct iw_device gone = { .is_open = false };
	const struct iw_device *chosen[IW_DEVICES_MAX] = { &gone };
	size_t count = choose(p, chosen), i = 0;
	int rc = XFED_OK;
	do {
		size_t before = out->end - out->start;
		rc = put_device(out, chosen[i], contact, true);
		if (rc == XFED_ERR_LIMIT) {
			out->end = out->start + before;
			rc = put_device(out, chosen[i], contact, false);
		}
		if (rc != XFED_OK) {
			out->end = out->start + before;
		}
	} while (rc == XFED_OK && ++i < count);
	return rc == XFED_ERR_LIMIT && i > 0 ? XFED_OK : rc;
}

static int put_head(struct xfed_buf *out, struct xfed_span entity)
{
	return put(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"" IW_NS_PIDF "\" xmlns:dm=\"" IW_NS_PERSON
		"\" xmlns:rpid=\"" IW_NS_RPID "\" entity=\"",
		entity, "\">\n");
}

int iw_pidf_write(struct xfed_buf *out, const struct iw_presence *p, const struct iw_pidf_addresses *to)
{
	size_t before = xfed_buf_len(out), cap = out->cap_bytes;
	struct xfed_buf tail;
	xfed_buf_init(&tail, cap / 4); /* notes of the person get at most this part */
	int rc = put_tail(&tail, &p->person, true);
	if (rc == XFED_ERR_LIMIT) {
		xfed_buf_clear(&tail);
		tail.cap_bytes = cap;
		rc = put_tail(&tail, &p->person, false);
	}
	if (rc == XFED_OK && xfed_buf_len(&tail) <= cap - before) {
		out->cap_bytes -= xfed_buf_len(&tail);
		rc = put_head(out, to->entity);
		rc = rc == XFED_OK ? put_devices(out, p, to->contact) : rc;
		out->cap_bytes = cap;
		rc = rc == XFED_OK ? xfed_buf_append(out, xfed_buf_span(&tail)) : rc;
	} else if (rc == XFED_OK) {
		rc = XFED_ERR_LIMIT;
	}
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	xfed_buf_deinit(&tail);
	return rc;
}
