# npm
#: A repository with a package
printf '{"name": "shop", "version": "1.0.0", "main": "index.js"}\n' >package.json
echo 'module.exports = "one"' >index.js
npm pack --silent >/dev/null
repository=$(api POST /pulp/api/v3/repositories/npm/npm/ '{"name": "npm"}' | jq -r .pulp_href)
api POST /pulp/api/v3/distributions/npm/npm/ "{\"name\": \"npm\", \"base_path\": \"npm\", \"repository\": \"$repository\"}" | ended
form /pulp/api/v3/content/npm/packages/ file=@shop-1.0.0.tgz relative_path=shop/-/shop-1.0.0.tgz name=shop version=1.0.0 \
    "repository=$repository" | ended

#: npm installs it
mkdir -p user && cd user && echo '{}' >package.json
npm install --silent --no-audit --no-fund --registry "$pulp/pulp/content/npm/" shop
[ "$(node -p 'require("shop")')" = one ]
