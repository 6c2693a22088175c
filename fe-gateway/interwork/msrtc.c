#include "interwork/msrtc.h"

#include "interwork/when.h"

#define NS_BASE	     "http://schemas.microsoft.com/2006/09/sip/"
#define NS_INSTANCE  "http://www.w3.org/2001/XMLSchema-instance"
#define LCID_ENGLISH 1033

static const char *const types[IW_MSRTC_FORMATS_COUNT] = {
#define IW_MSRTC_FORMAT_TYPE(id, type) type,
	IW_MSRTC_FORMATS(IW_MSRTC_FORMAT_TYPE)
#undef IW_MSRTC_FORMAT_TYPE
};

const char *iw_msrtc_type(enum iw_msrtc_format f)
{
	return types[f];
}

bool iw_msrtc_format_of(struct xfed_span media_type, enum iw_msrtc_format *out)
{
	for (unsigned i = 0; i < IW_MSRTC_FORMATS_COUNT; i++) {
		if (xfed_span_eq_nocase(media_type, xfed_span_str(types[i]))) {
			*out = (enum iw_msrtc_format)i;
			return true;
		}
	}
	return false;
}

/* What is to be said: the state of one device, and what goes with it. */
struct saying {
	enum iw_msrtc_state state;
	const struct iw_msrtc_token *token; /* NULL: that of the state */
	const char *activity;		    /* a word of RPID that has no token; NULL: none */
	struct xfed_span note;		    /* data NULL: none */
	char stamp[IW_WHEN_SIZE];	    /* empty: not known */
};

static const char *word_of(iw_activity_set activities)
{
	const iw_activity_set plain = 1u << IW_ACTIVITY_BUSY | 1u << IW_ACTIVITY_AWAY;
	for (unsigned i = 0; i < IW_ACTIVITIES_COUNT; i++) {
		if ((activities & ~plain) & 1u << i) {
			return iw_activity_word((enum iw_activity)i);
		}
	}
	return NULL;
}

static void choose(const struct iw_presence *p, struct saying *s)
{
	const struct iw_device *first = NULL;
	*s = (struct saying){ .state = IW_MSRTC_OFFLINE };
	for (size_t i = 0; i < p->count; i++) {
		first = !first || iw_device_is_before(&p->devices[i], first) ? &p->devices[i] : first;
	}
	const struct iw_notes *notes = first && first->notes.count > 0 ? &first->notes : &p->person.notes;
	s->note = notes->count > 0 ? notes->list[0].text : s->note;
	if (first) {
		iw_activity_set activities = first->is_open ? first->activities | p->person.activities : 0;
		s->state = iw_msrtc_state_of_device(first, activities);
		s->token = iw_msrtc_token_of(activities);
		s->activity = word_of(activities);
		if (first->changed_s <= 0 || iw_when_print(first->changed_s, s->stamp) != XFED_OK) {
			s->stamp[0] = '\0';
		}
	}
}

static int put(struct xfed_buf *out, const char *before, struct xfed_span text, const char *behind)
{
	int rc = xfed_buf_append_str(out, before);
	rc = rc == XFED_OK ? xfed_xml_escape(out, text) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, behind) : rc;
}

/* ---- categories ---- */

/* "in-transit" as "In transit". */
static int put_custom(struct xfed_buf *out, const char *word)
{
	char text[32] = "";
	size_t len = strlen(word);
	XFED_REQUIRE(len > 0 && len < sizeof(text));
	for (size_t i = 0; i < len; i++) {
		text[i] = (char)(word[i] == '-' ? ' ' : i == 0 ? word[i] - 'a' + 'A' : word[i]);
	}
	return xfed_buf_printf(out, "<activity><custom LCID=\"%d\">%s</custom></activity>", LCID_ENGLISH, text);
}

static int put_activity(struct xfed_buf *out, const struct saying *s)
{
	const char *token = s->token && s->token->token ? s->token->token : iw_msrtc_word(s->state);
	if (s->activity && !(s->token && s->token->token)) {
		return put_custom(out, s->activity);
	}
	return token ? xfed_buf_printf(out, "<activity token=\"%s\"/>", token) : XFED_OK;
}

static int begin_category(struct xfed_buf *out, const char *name, int instance, const struct saying *s)
{
	int rc = xfed_buf_printf(out, "<category name=\"%s\" instance=\"%d\"", name, instance);
	rc = rc == XFED_OK && s->stamp[0] ? xfed_buf_printf(out, " publishTime=\"%s\"", s->stamp) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, ">") : rc;
}

static int put_note(struct xfed_buf *out, const struct saying *s)
{
	if (!s->note.data) {
		return xfed_buf_append_str(out, "<category name=\"note\"/>"); /* what the client keeps of an earlier document goes */
	}
	int rc = begin_category(out, "note", 0, s);
	return rc == XFED_OK ? put(out, "<note xmlns=\"" NS_BASE "note\"><body type=\"personal\" uri=\"\">", s->note, "</body></note></category>")
			     : rc;
}

static int put_card(struct xfed_buf *out, const struct saying *s, struct xfed_span display)
{
	int rc = begin_category(out, "contactCard", 0, s);
	return rc == XFED_OK ? put(out, "<contactCard xmlns=\"" NS_BASE "contactcard\"><identity><name><displayName>", display,
				       "</displayName></name></identity></contactCard></category>")
			     : rc;
}

static int put_categories(struct xfed_buf *out, const struct saying *s, const struct iw_msrtc_subject *of)
{
	int rc = put(out, "<categories xmlns=\"" NS_BASE "categories\" uri=\"sip:", of->address, "\">");
	rc = rc == XFED_OK && of->display.data ? put_card(out, s, of->display) : rc;
	rc = rc == XFED_OK ? begin_category(out, "state", 1, s) : rc;
	rc = rc == XFED_OK ? xfed_buf_printf(out,
				     "<state xmlns=\"" NS_BASE "state\" xmlns:xsi=\"" NS_INSTANCE
				     "\" xsi:type=\"aggregateState\"><availability>%u</availability>",
				     iw_msrtc_number(s->state))
			   : rc;
	rc = rc == XFED_OK ? put_activity(out, s) : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "</state></category>") : rc;
	rc = rc == XFED_OK ? put_note(out, s) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "</categories>") : rc;
}

/* ---- presentity ---- */

/* "Do not disturb" has no number of its own among the activities; of these and the user's states a client shows the worse. */
static int put_states(struct xfed_buf *out, const struct saying *s)
{
	if (s->state != IW_MSRTC_DO_NOT_DISTURB) {
		return XFED_OK;
	}
	int rc = xfed_buf_printf(out, "<states xmlns:xsi=\"" NS_INSTANCE "\"><state avail=\"%u\"", iw_msrtc_number(s->state));
	rc = rc == XFED_OK && s->stamp[0] ? xfed_buf_printf(out, " since=\"%s\"", s->stamp) : rc;
	return rc == XFED_OK
		       ? xfed_buf_append_str(out,
				 " validWith=\"any-device\" deviceId=\"e\" set=\"manual\" xsi:type=\"userState\">do-not-disturb</state></states>")
		       : rc;
}

static int put_presentity(struct xfed_buf *out, const struct saying *s, const struct iw_msrtc_subject *of)
{
	unsigned activity = s->token && s->token->old > 0 ? s->token->old : iw_msrtc_old(s->state);
	int rc = put(out, "<presentity xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\" uri=\"", of->address, "\">");
	rc = rc == XFED_OK ? xfed_buf_printf(out,
				     "<availability aggregate=\"%d\" description=\"\" epid=\"e\"/><activity aggregate=\"%u\" description=\"\" "
				     "note=\"\" epid=\"e\"/>",
				     iw_msrtc_is_open(s->state) ? 300 : 0, activity)
			   : rc;
	rc = rc == XFED_OK && of->display.data ? put(out, "<displayName displayName=\"", of->display, "\"/>") : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "<userInfo>") : rc;
	rc = rc == XFED_OK && s->note.data ? put(out, "<note>", s->note, "</note>") : rc;
	rc = rc == XFED_OK ? put_states(out, s) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "</userInfo><devices/></presentity>") : rc;
}

/* ---- PIDF: one tuple, and no activities but two, which stand in its status ---- */

static const char *activity_of(enum iw_msrtc_state s)
{
	switch (s) {
	case IW_MSRTC_IDLE:
	case IW_MSRTC_BE_RIGHT_BACK:
	case IW_MSRTC_AWAY:
		return "away";
	case IW_MSRTC_BUSY:
	case IW_MSRTC_BUSY_IDLE:
	case IW_MSRTC_DO_NOT_DISTURB:
		return "busy";
	case IW_MSRTC_UNKNOWN:
	case IW_MSRTC_AVAILABLE:
	case IW_MSRTC_OFFLINE:
	case IW_MSRTC_STATES_COUNT:
		break;
	}
	return NULL;
}

static int put_pidf(struct xfed_buf *out, const struct saying *s, const struct iw_msrtc_subject *of)
{
	const char *activity = activity_of(s->state);
	int rc = put(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><presence xmlns=\"" IW_NS_PIDF
		"\" xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" "
		"xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" entity=\"sip:",
		of->address, "\"><tuple id=\"0\"><status><basic>");
	rc = rc == XFED_OK ? xfed_buf_append_str(out, iw_msrtc_is_open(s->state) ? "open</basic>" : "closed</basic>") : rc;
	rc = rc == XFED_OK && activity ? xfed_buf_printf(out, "<ep:activities><ep:activity>%s</ep:activity></ep:activities>", activity) : rc;
	rc = rc == XFED_OK ? put(out, "</status><contact>sip:", of->address, "</contact></tuple>") : rc;
	rc = rc == XFED_OK && s->note.data ? put(out, "<note>", s->note, "</note>") : rc;
	rc = rc == XFED_OK && of->display.data ? put(out, "<ci:display-name>", of->display, "</ci:display-name>") : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "</presence>") : rc;
}

static int put_document(struct xfed_buf *out, enum iw_msrtc_format f, const struct saying *s, const struct iw_msrtc_subject *of)
{
	size_t before = xfed_buf_len(out);
	int rc = f == IW_MSRTC_CATEGORIES ? put_categories(out, s, of) : f == IW_MSRTC_PRESENTITY ? put_presentity(out, s, of) : put_pidf(out, s, of);
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}

int iw_msrtc_write(struct xfed_buf *out, enum iw_msrtc_format f, const struct iw_presence *p, const struct iw_msrtc_subject *of)
{
	struct saying s;
	choose(p, &s);
	int rc = put_document(out, f, &s, of);
	if (rc == XFED_ERR_LIMIT && s.note.data) {
		s.note = xfed_span_make(NULL, 0);
		rc = put_document(out, f, &s, of);
	}
	return rc;
}
