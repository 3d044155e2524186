/* faker_words.c - the expressions, one line each: a list of words, or a function. */
#include <stdio.h>
#include <strings.h>

#include "connector/faker.h"

typedef int put_fn(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                   struct err *err);

struct faker_word {
    const char *name;
    const char *list; /* words, split by '|'; or */
    put_fn *put;
    const char *form; /* an expression of others: "#first #last" */
};

uint64_t faker_random(struct faker_draw *draw)
{
    uint64_t x = draw->state += 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

#define FIRST                                                                                      \
    "Ada|Alan|Amira|Anders|Barbara|Blaise|Carla|Chen|Dennis|Dora|Edith|Emil|Farid|Grace|Hana|"     \
    "Igor|Jana|John|Ken|Leila|Linus|Maria|Mina|Nadia|Omar|Priya|Quentin|Rosa|Sven|Tara|Uma|Yuki"
#define LAST                                                                                       \
    "Adler|Andersen|Becker|Bernoulli|Castillo|Diaz|Fischer|Fontaine|Garcia|Hansen|Ivanova|"        \
    "Johnson|Kim|Kowalski|Lindqvist|Lovelace|Martin|Meyer|Nakamura|Novak|Okafor|Patel|Rossi|"      \
    "Santos|Schmidt|Silva|Tanaka|Turing|Vasquez|Weber|Yilmaz|Zhang"
#define CITY                                                                                       \
    "Amsterdam|Athens|Berlin|Bogota|Cairo|Chicago|Dublin|Geneva|Hanoi|Istanbul|Jakarta|Krakow|"    \
    "Lagos|Lima|Lisbon|London|Madrid|Mumbai|Nairobi|Oslo|Paris|Prague|Quito|Rome|Seoul|Sydney|"    \
    "Tokyo|Toronto|Vienna|Warsaw|Zagreb|Zurich"
#define COUNTRY                                                                                    \
    "Argentina|Australia|Austria|Brazil|Canada|Chile|China|Colombia|Denmark|Egypt|Finland|France|" \
    "Germany|Ghana|Greece|India|Ireland|Italy|Japan|Kenya|Mexico|Morocco|Norway|Peru|Poland|"      \
    "Portugal|Spain|Sweden|Switzerland|Turkey|United Kingdom|United States|Vietnam"
#define NOUN                                                                                       \
    "anchor|bridge|candle|drum|engine|forest|garden|harbor|island|jacket|kettle|lantern|meadow|"   \
    "needle|orchard|pencil|quarry|river|saddle|tunnel|umbrella|valley|window|yard"
#define PRODUCT                                                                                    \
    "Ergonomic Chair|Oak Table|Cotton Shirt|Steel Kettle|Leather Wallet|Wool Coat|Paper Lamp|"     \
    "Granite Bowl|Linen Towel|Rubber Boots|Silk Scarf|Wooden Clock|Copper Pan|Glass Bottle|"       \
    "Bamboo Shelf|Canvas Bag|Iron Bench|Marble Plate"
#define DEPARTMENT                                                                                 \
    "Automotive|Baby|Beauty|Books|Clothing|Computers|Electronics|Games|Garden|Grocery|Health|"     \
    "Home|Industrial|Jewelry|Kids|Movies|Music|Outdoors|Shoes|Sports|Tools|Toys"
#define CURRENCY                                                                                   \
    "AUD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HUF|IDR|ILS|INR|JPY|KES|KRW|MAD|MXN|NGN|"     \
    "NOK|NZD|PEN|PHP|PLN|RON|SEK|SGD|THB|TRY|UAH|USD|VND|ZAR"
#define HERO                                                                                       \
    "Captain Meridian|Doctor Vortex|Lady Ember|The Lantern|Night Heron|Iron Comet|Silver Tide|"    \
    "Agent Quill|Miss Zenith|Red Falcon|The Archivist|Blue Thunder"
#define POWER                                                                                      \
    "Flight|Invisibility|Telepathy|Super Strength|Time Travel|Teleportation|Shapeshifting|"        \
    "Weather Control|Super Speed|Force Fields|Healing|X-Ray Vision"

static int wrong(const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s", what);
}

static int64_t between(struct faker_draw *draw, int64_t low, int64_t high) /* high: not in it */
{
    return high > low ? low + (int64_t)(faker_random(draw) % ((uint64_t)high - (uint64_t)low))
                      : low;
}

static int number_between(const char *const *args, size_t count, struct faker_draw *draw,
                          struct buf *out, struct err *err)
{
    if (count != 2)
        return wrong("numberBetween takes two numbers", err);
    return buf_printf(out, "%" PRId64,
                      between(draw, strtoll(args[0], NULL, 10), strtoll(args[1], NULL, 10)));
}

static int digits(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                  struct err *err)
{
    int64_t n = count ? strtoll(args[0], NULL, 10) : 1;
    int rc = 0;

    if (count > 2 || n < 1 || n > 1000)
        return wrong("a number of digits is from 1 to 1000", err);
    for (int64_t i = 0; i < n && !rc; i++)
        rc = buf_append_u8(out, (uint8_t)('0' + faker_random(draw) % 10));
    return rc;
}

static int one_digit(const char *const *args, size_t count, struct faker_draw *draw,
                     struct buf *out, struct err *err)
{
    (void)args;
    return digits(NULL, count * 0, draw, out, err);
}

static int random_double(const char *const *args, size_t count, struct faker_draw *draw,
                         struct buf *out, struct err *err)
{
    double part = (double)(faker_random(draw) >> 11) * 0x1p-53, low, high;

    if (count != 3)
        return wrong("randomDouble takes decimals, from and to", err);
    low = strtod(args[1], NULL);
    high = strtod(args[2], NULL);
    return buf_printf(out, "%.*f", (int)(strtol(args[0], NULL, 10) & 15),
                      low + part * (high - low));
}

static int put_moment(int64_t us, struct buf *out)
{
    int64_t days = us / 86400000000, rest = us % 86400000000;
    char text[64];
    int year, month, day;

    days -= rest < 0;
    rest += rest < 0 ? 86400000000 : 0;
    days += 719468; /* Howard Hinnant's civil_from_days */
    {
        int64_t era = days / 146097, doe = days - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

        day = (int)(doy - (153 * mp + 2) / 5 + 1);
        month = (int)(mp < 10 ? mp + 3 : mp - 9);
        year = (int)(yoe + era * 400 + (month <= 2));
    }
    snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d.%03d", year, month, day,
             (int)(rest / 3600000000), (int)(rest / 60000000 % 60), (int)(rest / 1000000 % 60),
             (int)(rest / 1000 % 1000));
    return buf_append_str(out, text);
}

/* date.past 'at most', ['at least',] 'UNIT'; `sign` -1 for the past. */
static int moment(const char *const *args, size_t count, struct faker_draw *draw, int sign,
                  struct buf *out, struct err *err)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"MILLISECONDS", 1000},
                 {"SECONDS", 1000000},
                 {"MINUTES", 60000000},
                 {"HOURS", 3600000000},
                 {"DAYS", 86400000000}};
    int64_t most, least = 0;
    size_t u = 0;

    if (count != 2 && count != 3)
        return wrong("a time takes at most, maybe at least, and a unit: '15','SECONDS'", err);
    while (u < COUNT_OF(units) && strcasecmp(units[u].unit, args[count - 1]) != 0)
        u++;
    if (u == COUNT_OF(units))
        return wrong("units of time are MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS", err);
    most = strtoll(args[0], NULL, 10);
    least = count == 3 ? strtoll(args[1], NULL, 10) : 0;
    if (most < least || least < 0 || most > 1000000)
        return wrong("a time takes at most first, then at least", err);
    return put_moment(
        draw->now_us + sign * between(draw, least * units[u].us, most * units[u].us + 1), out);
}

static int past(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                struct err *err)
{
    return moment(args, count, draw, -1, out, err);
}

static int future(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                  struct err *err)
{
    return moment(args, count, draw, 1, out, err);
}

static int birthday(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                    struct err *err)
{
    const int64_t year = 31556952000000;

    (void)args, (void)count, (void)err;
    return put_moment(draw->now_us - between(draw, 18 * year, 65 * year), out);
}

static int option(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                  struct err *err)
{
    if (!count)
        return wrong("Options.option takes words", err);
    return buf_append_str(out, args[faker_random(draw) % count]);
}

static int regexify(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                    struct err *err)
{
    return count == 1 ? faker_regexify(args[0], draw, out, err)
                      : wrong("regexify takes a pattern", err);
}

/* '#' is a digit, '?' a letter. */
static int bothify(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                   struct err *err)
{
    int rc = 0;

    if (count < 1)
        return wrong("bothify takes a pattern of # and ?", err);
    for (const char *c = args[0]; *c && !rc; c++)
        rc = buf_append_u8(out, (uint8_t)(*c == '#'   ? '0' + faker_random(draw) % 10
                                          : *c == '?' ? 'a' + faker_random(draw) % 26
                                                      : (uint64_t)*c));
    return rc;
}

static int uuid(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                struct err *err)
{
    uint64_t a = faker_random(draw), b = faker_random(draw);

    (void)args, (void)count, (void)err;
    return buf_printf(out, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
                      (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                      (unsigned)(0x8000 | (b >> 48 & 0x3fff)), b & 0xffffffffffff);
}

static int ip_v4(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                 struct err *err)
{
    uint64_t a = faker_random(draw);

    (void)args, (void)count, (void)err;
    return buf_printf(out, "%d.%d.%d.%d", (int)(1 + a % 223), (int)(a >> 8 & 255),
                      (int)(a >> 16 & 255), (int)(1 + (a >> 24) % 254));
}

static int ip_v6(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                 struct err *err)
{
    uint64_t a = faker_random(draw), b = faker_random(draw);

    (void)args, (void)count, (void)err;
    return buf_printf(out, "2001:db8:%x:%x:%x:%x:%x:%x", (int)(a & 0xffff), (int)(a >> 16 & 0xffff),
                      (int)(a >> 32 & 0xffff), (int)(a >> 48), (int)(b & 0xffff),
                      (int)(b >> 16 & 0xffff));
}

static int boolean(const char *const *args, size_t count, struct faker_draw *draw, struct buf *out,
                   struct err *err)
{
    (void)args, (void)count, (void)err;
    return buf_append_str(out, faker_random(draw) & 1 ? "true" : "false");
}

static int coordinate(const char *const *args, size_t count, struct faker_draw *draw,
                      struct buf *out, struct err *err)
{
    (void)args, (void)count, (void)err;
    return buf_printf(out, "%.6f", (double)between(draw, -90000000, 90000001) / 1000000);
}

static const struct faker_word words[] = {
    {"address.city", CITY, NULL, NULL},
    {"address.cityName", CITY, NULL, NULL},
    {"address.country", COUNTRY, NULL, NULL},
    {"address.countryCode", "AR|AT|AU|BR|CA|CH|CN|DE|DK|ES|FR|GB|IN|IT|JP|KE|MX|NO|PL|PT|SE|US",
     NULL, NULL},
    {"address.fullAddress", NULL, NULL, "@bothify:### |name.lastName| Street, |address.city"},
    {"address.latitude", NULL, coordinate, NULL},
    {"address.longitude", NULL, coordinate, NULL},
    {"address.state", "Bavaria|Texas|Ontario|Victoria|Kerala|Utah|Tyrol|Hokkaido|Oregon", NULL,
     NULL},
    {"address.streetAddress", NULL, NULL, "@bothify:### |name.lastName| Street"},
    {"address.streetName", NULL, NULL, "|name.lastName| Street"},
    {"address.zipCode", NULL, NULL, "@bothify:#####"},
    {"animal.name", "bear|beaver|crow|deer|eagle|fox|goose|heron|ibis|lynx|otter|owl|seal|wolf",
     NULL, NULL},
    {"app.name", "Alpine|Beacon|Cobalt|Drift|Ember|Fathom|Glide|Harvest|Inkwell|Juniper", NULL,
     NULL},
    {"aviation.aircraft", "A320|A350|B737|B787|C172|DHC-8|E190|Q400", NULL, NULL},
    {"aviation.airport", "EDDF|EGLL|KJFK|KLAX|LFPG|LSZH|RJTT|VIDP|YSSY|ZBAA", NULL, NULL},
    {"beer.name", "Harbor Pale|Night Stout|Old Mill Ale|River Lager|Stone Porter|Summit IPA", NULL,
     NULL},
    {"book.title", "The Long Meadow|A House of Rain|Winter Harbor|The Cartographer|Salt and Stone",
     NULL, NULL},
    {"bool.bool", NULL, boolean, NULL},
    {"bothify", NULL, bothify, NULL},
    {"business.creditCardNumber", NULL, NULL, "@bothify:####-####-####-####"},
    {"business.creditCardType", "visa|mastercard|american_express|discover|maestro", NULL, NULL},
    {"code.asin", NULL, NULL, "@bothify:B000########"},
    {"code.ean13", NULL, NULL, "@bothify:#############"},
    {"code.isbn10", NULL, NULL, "@bothify:##########"},
    {"code.isbn13", NULL, NULL, "@bothify:978##########"},
    {"color.name", "amber|azure|black|coral|crimson|green|indigo|ivory|olive|orange|teal|violet",
     NULL, NULL},
    {"commerce.department", DEPARTMENT, NULL, NULL},
    {"commerce.material", "Bamboo|Cotton|Glass|Granite|Iron|Leather|Linen|Oak|Silk|Steel|Wool",
     NULL, NULL},
    {"commerce.price", NULL, NULL, "@bothify:##.##"},
    {"commerce.productName", PRODUCT, NULL, NULL},
    {"company.industry", "Agriculture|Banking|Energy|Health Care|Insurance|Logistics|Media|Retail",
     NULL, NULL},
    {"company.name", NULL, NULL, "|name.lastName| Ltd"},
    {"country.capital", CITY, NULL, NULL},
    {"country.name", COUNTRY, NULL, NULL},
    {"currency.code", CURRENCY, NULL, NULL},
    {"currency.name", "Euro|Pound|Yen|Dollar|Franc|Krone|Peso|Real|Rupee|Won|Zloty", NULL, NULL},
    {"date.birthday", NULL, birthday, NULL},
    {"date.future", NULL, future, NULL},
    {"date.past", NULL, past, NULL},
    {"dog.name", "Bella|Charlie|Daisy|Luna|Max|Milo|Nala|Rocky", NULL, NULL},
    {"finance.creditCard", NULL, NULL, "@bothify:####-####-####-####"},
    {"finance.iban", NULL, NULL, "@bothify:DE####################"},
    {"food.dish", "Curry|Dumplings|Gnocchi|Lasagne|Paella|Pierogi|Ramen|Risotto|Tacos", NULL, NULL},
    {"food.fruit", "Apple|Banana|Cherry|Fig|Grape|Lemon|Mango|Orange|Pear|Plum", NULL, NULL},
    {"food.ingredient", "Basil|Butter|Carrot|Garlic|Lentils|Onion|Paprika|Rice|Tomato", NULL, NULL},
    {"gameOfThrones.character",
     "Aldric of the Vale|Brenna Storm|Corwin the Tall|Ser Eamon|"
     "Isolde of the North|Maester Rook",
     NULL, NULL},
    {"gameOfThrones.city", "Eastwatch|Greyport|Highmoor|Northhold|Saltcliff|Stonegate", NULL, NULL},
    {"gameOfThrones.house",
     "House of the Bear|House of the Heron|House of the Oak|"
     "House of the Wolf",
     NULL, NULL},
    {"harryPotter.character",
     "Alba Whitlock|Barnaby Finch|Cordelia Thorne|Edgar Moss|"
     "Professor Larkspur",
     NULL, NULL},
    {"harryPotter.spell", "Aperio|Calidum|Fulgora|Lumenis|Nebulo|Tacitus|Ventora", NULL, NULL},
    {"hacker.noun", "array|bus|driver|firewall|interface|matrix|panel|port|protocol|sensor", NULL,
     NULL},
    {"idNumber.valid", NULL, NULL, "@bothify:###-##-####"},
    {"internet.domainName", "example.com|example.net|example.org|shop.example|mail.example", NULL,
     NULL},
    {"internet.emailAddress", NULL, NULL, "@regexify:[a-z]{4,9}\\.[a-z]{4,9}@example\\.com"},
    {"internet.httpMethod", "GET|GET|GET|POST|PUT|DELETE|PATCH|HEAD", NULL, NULL},
    {"internet.ipV4Address", NULL, ip_v4, NULL},
    {"internet.ipV6Address", NULL, ip_v6, NULL},
    {"internet.macAddress", NULL, NULL, "@regexify:[0-9a-f]{2}(:[0-9a-f]{2}){5}"},
    {"internet.publicIpV4Address", NULL, ip_v4, NULL},
    {"internet.privateIpV4Address", NULL, NULL, "@regexify:10\\.[1-9]\\d?\\.[1-9]\\d?\\.[1-9]\\d?"},
    {"internet.url", NULL, NULL, "@regexify:https://www\\.example\\.com/[a-z]{4,12}"},
    {"internet.userAgentAny",
     "Mozilla/5.0 (X11; Linux x86_64)|Mozilla/5.0 (Windows NT 10.0)|"
     "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4)|curl/8.5.0",
     NULL, NULL},
    {"internet.uuid", NULL, uuid, NULL},
    {"job.title", "Accountant|Architect|Baker|Carpenter|Designer|Engineer|Librarian|Nurse|Pilot",
     NULL, NULL},
    {"letterify", NULL, bothify, NULL},
    {"lorem.sentence", NULL, NULL, "The |lorem.word| and the |lorem.word| by the |lorem.word|."},
    {"lorem.word", NOUN, NULL, NULL},
    {"music.genre", "Blues|Classical|Folk|Funk|Hip Hop|Jazz|Metal|Pop|Reggae|Rock|Soul", NULL,
     NULL},
    {"music.instrument", "Cello|Clarinet|Drums|Flute|Guitar|Harp|Oboe|Piano|Trumpet|Violin", NULL,
     NULL},
    {"name.firstName", FIRST, NULL, NULL},
    {"name.fullName", NULL, NULL, "|name.firstName| |name.lastName"},
    {"name.lastName", LAST, NULL, NULL},
    {"name.name", NULL, NULL, "|name.firstName| |name.lastName"},
    {"name.title", "Chief Officer|Lead Analyst|Senior Engineer|Junior Clerk|Head Buyer", NULL,
     NULL},
    {"name.username", NULL, NULL, "@regexify:[a-z]{5,9}\\.[a-z]{4,8}"},
    {"number.digit", NULL, one_digit, NULL},
    {"number.digits", NULL, digits, NULL},
    {"number.numberBetween", NULL, number_between, NULL},
    {"number.randomDigit", NULL, one_digit, NULL},
    {"number.randomDigitNotZero", NULL, NULL, "@regexify:[1-9]"},
    {"number.randomDouble", NULL, random_double, NULL},
    {"number.randomNumber", NULL, digits, NULL},
    {"numerify", NULL, bothify, NULL},
    {"options.option", NULL, option, NULL},
    {"phoneNumber.cellPhone", NULL, NULL, "@bothify:+1-555-###-####"},
    {"phoneNumber.phoneNumber", NULL, NULL, "@bothify:+1-555-###-####"},
    {"regexify", NULL, regexify, NULL},
    {"rickAndMorty.character", "Doctor Nimbus|Old Pete|Lena the Pilot|The Alchemist", NULL, NULL},
    {"space.agency", "Agencia del Sur|Northern Space Agency|Orbital Council|Pacific Launch", NULL,
     NULL},
    {"space.planet", "Mercury|Venus|Earth|Mars|Jupiter|Saturn|Uranus|Neptune", NULL, NULL},
    {"stock.nsdqSymbol", "AAPL|ADBE|AMD|AMZN|CSCO|GOOG|INTC|META|MSFT|NFLX|NVDA|QCOM|TSLA", NULL,
     NULL},
    {"stock.nyseSymbol", "BA|DIS|F|GE|GM|IBM|JNJ|KO|MCD|NKE|PFE|T|V|WMT|XOM", NULL, NULL},
    {"superhero.name", HERO, NULL, NULL},
    {"superhero.power", POWER, NULL, NULL},
    {"team.name", NULL, NULL, "|address.city| Herons"},
    {"university.name", NULL, NULL, "University of |address.city"},
    {"vehicle.make", "Audi|BMW|Fiat|Ford|Honda|Hyundai|Kia|Mazda|Opel|Renault|Skoda|Toyota|Volvo",
     NULL, NULL},
    {"weather.description", "Clear|Cloudy|Drizzle|Fog|Hail|Rain|Snow|Thunderstorm|Windy", NULL,
     NULL},
};

/* harry_potter.spell is harryPotter.spell. */
static bool same(const char *known, const char *asked)
{
    for (; *known && *asked; known++, asked++) {
        asked += *asked == '_';
        if ((*known | 32) != (*asked | 32))
            return false;
    }
    return !*known && !*asked;
}

const struct faker_word *faker_word_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (same(words[i].name, name))
            return &words[i];
    return NULL;
}

const char *faker_word_names(void)
{
    return "Name.fullName, Number.numberBetween, date.past, Options.option, regexify, "
           "Internet.uuid, Lorem.sentence, Commerce.productName and others";
}

static int put_list(const char *list, struct faker_draw *draw, struct buf *out)
{
    uint64_t count = 1, chosen;
    const char *at = list;

    for (const char *c = list; *c; c++)
        count += *c == '|';
    for (chosen = faker_random(draw) % count; chosen; chosen--)
        at = strchr(at, '|') + 1;
    return buf_append(out, at, strcspn(at, "|"));
}

/* Parts between bars: a word's name, or text; @bothify: and @regexify: take the part as theirs. */
static int put_form(const char *form, struct faker_draw *draw, struct buf *out, struct err *err)
{
    int rc = 0;

    while (*form && !rc) {
        bool regex = !strncmp(form, "@regexify:", 10), both = !strncmp(form, "@bothify:", 9);
        const struct faker_word *word;
        const char *args[1];
        char part[80];
        size_t len;

        form += regex ? 10 : both ? 9 : 0;
        len = regex ? strlen(form) : strcspn(form, "|");
        snprintf(part, sizeof(part), "%.*s", (int)len, form);
        args[0] = part;
        word = faker_word_find(part);
        if (regex)
            rc = faker_regexify(part, draw, out, err);
        else if (both)
            rc = bothify(args, 1, draw, out, err);
        else
            rc = word ? faker_word_put(word, NULL, 0, draw, out, err) : buf_append_str(out, part);
        form += len + (form[len] == '|');
    }
    return rc;
}

int faker_word_put(const struct faker_word *word, const char *const *args, size_t count,
                   struct faker_draw *draw, struct buf *out, struct err *err)
{
    if (word->list)
        return put_list(word->list, draw, out);
    return word->put ? word->put(args, count, draw, out, err)
                     : put_form(word->form, draw, out, err);
}
