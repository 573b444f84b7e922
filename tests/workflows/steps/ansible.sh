# Ansible

#: A repository of collections
pulp ansible repository create --name galaxy
pulp ansible distribution create --name galaxy --base-path galaxy --repository galaxy
printf '%s\n' '[galaxy]' 'server_list = pulp' '[galaxy_server.pulp]' "url = $pulp/pulp_ansible/galaxy/galaxy/" 'username = admin' \
    "password = $PULP_PASSWORD" >ansible.cfg

#: ansible-galaxy publishes collections
collection base 1.0.0
collection tools 1.0.0 shop.base
ansible-galaxy collection publish shop-base-1.0.0.tar.gz
ansible-galaxy collection publish shop-tools-1.0.0.tar.gz

#: ansible-galaxy installs one, and what it depends on
ansible-galaxy collection install --collections-path "$PWD/installed" shop.tools
[ -e installed/ansible_collections/shop/base/MANIFEST.json ]
