/* The rows of `presence` in gateway.yaml, its domains and partner files: what show and activities mean to each other. */
#include "config/config.h"

/* clang-format off */
static const struct rt_conf_word show_words[] = {
	{ "none", IW_SHOW_NONE + 1, NULL },
	{ "chat", IW_SHOW_CHAT + 1, NULL },
	{ "away", IW_SHOW_AWAY + 1, NULL },
	{ "xa", IW_SHOW_XA + 1, NULL },
	{ "dnd", IW_SHOW_DND + 1, NULL },
	{ NULL, 0, NULL },
};
static const struct rt_conf_word activity_words[] = {
	{ "none", IW_ACTIVITIES_COUNT + 1, NULL },
#define WORD(id, word, show) { word, IW_ACTIVITY_##id + 1, NULL },
	IW_ACTIVITIES(WORD)
#undef WORD
	{ NULL, 0, NULL },
};

/* Where nothing is chosen what is above holds; `fallback` NULL: no value. */
#define FLAGS RT_CONF_RELOADABLE | RT_CONF_QUIET
#define CELL(index) offsetof(struct iw_presence_choice, rows) + (size_t)(index) * sizeof(int)
#define ACTIVITY_ROW(id, word, fallback_) { .name = word, .type = RT_CONF_ENUM, .offset = BASE + CELL(IW_ACTIVITY_##id), .flags = FLAGS, \
	.words = show_words, .fallback = fallback_, .help = "What XMPP is shown as where SIP says " word " (RFC 4480)." },
#define SHOW_ROW(id, key, fallback_) { .name = key, .type = RT_CONF_ENUM, .offset = BASE + CELL(IW_PRESENCE_ROW_OF_SHOW(IW_SHOW_##id)), .flags = FLAGS, \
	.words = activity_words, .fallback = fallback_, .help = "The activity that SIP is told beside XMPP's show, which it is told too." },

#define DEFAULT_NONE "none"
#define DEFAULT_AWAY "away"
#define DEFAULT_XA   "xa"
#define DEFAULT_DND  "dnd"

#define BASE offsetof(struct config_presence, choice)
static const struct rt_conf_row presence_rows[] = {
	{ .name = "refresh", .type = RT_CONF_DURATION, .offset = offsetof(struct config_presence, refresh_ms), .flags = RT_CONF_RELOADABLE, .min = 60000,
		.max = (uint64_t)XFED_SIP_SUBSCRIPTION_MAX_S * 1000, .fallback = "8h",
		.help = "How long a presence subscription lasts unless it is refreshed: what we ask SIP servers for, and the most that their users get." },
#define ROW(id, word, show) ACTIVITY_ROW(id, word, DEFAULT_##show)
	IW_ACTIVITIES(ROW)
#undef ROW
	IW_SHOW_ROWS(SHOW_ROW)
};
RT_CONF_TABLE(const, config_presence, "presence", presence_rows, struct config_presence,
	"Presence. Beside refresh each key is one thing that one side can say, and its value what the other side is told. What is reloaded holds for what is said from then on.");
#undef BASE

#define BASE (size_t)0
static const struct rt_conf_row choice_rows[] = {
#define ROW(id, word, show) ACTIVITY_ROW(id, word, NULL)
	IW_ACTIVITIES(ROW)
#undef ROW
#define ROW(id, key, activity) SHOW_ROW(id, key, NULL)
	IW_SHOW_ROWS(ROW)
#undef ROW
};
RT_CONF_TABLE(const, config_choice, "presence", choice_rows, struct iw_presence_choice,
	"What show and activities mean to each other, where it is something else than in presence of gateway.yaml: a partner file beats a domain.");
/* clang-format on */
