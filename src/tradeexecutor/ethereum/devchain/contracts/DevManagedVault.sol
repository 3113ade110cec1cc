// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A vault (ERC-4626) whose money is in the wallet of its manager, who trades with it and reports its value. The wallet
/// has to let the vault take the money of redemptions. Requests (ERC-7540) wait until somebody settles them, and need
/// no claim. For local chains only: everybody may report and settle.
contract DevManagedVault is ERC4626 {
    event DepositRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 assets
    );
    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );

    address public immutable manager;
    uint256 private _value;
    mapping(address => uint256) private _pendingAssets;
    mapping(address => uint256) private _pendingShares;

    constructor(IERC20 token, string memory shareName, string memory shareSymbol, address manager_)
        ERC20(shareName, shareSymbol)
        ERC4626(token)
    {
        manager = manager_;
    }

    function report(uint256 value) external {
        _value = value;
    }

    function totalAssets() public view override returns (uint256) {
        return _value;
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        IERC20(asset()).transferFrom(caller, manager, assets);
        _issue(caller, receiver, assets, shares);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        if (caller != owner) _spendAllowance(owner, caller, shares);
        _redeem(caller, receiver, owner, assets, shares);
    }

    function _issue(address caller, address receiver, uint256 assets, uint256 shares) private {
        _value += assets;
        _mint(receiver, shares);
        emit Deposit(caller, receiver, assets, shares);
    }

    function _redeem(address caller, address receiver, address owner, uint256 assets, uint256 shares) private {
        _value -= assets;
        _burn(owner, shares);
        IERC20(asset()).transferFrom(manager, receiver, assets);
        emit Withdraw(caller, receiver, owner, assets, shares);
    }

    function requestDeposit(uint256 assets, address controller, address owner) external returns (uint256) {
        require(owner == msg.sender && assets > 0, "request");
        IERC20(asset()).transferFrom(owner, address(this), assets);
        _pendingAssets[controller] += assets;
        emit DepositRequest(controller, owner, 0, msg.sender, assets);
        return 0;
    }

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256) {
        require(owner == msg.sender && shares > 0, "request");
        _transfer(owner, address(this), shares);
        _pendingShares[controller] += shares;
        emit RedeemRequest(controller, owner, 0, msg.sender, shares);
        return 0;
    }

    function settle(address controller) external {
        uint256 assets = _pendingAssets[controller];
        uint256 shares = _pendingShares[controller];
        uint256 bought = convertToShares(assets);
        uint256 paid = convertToAssets(shares);
        (_pendingAssets[controller], _pendingShares[controller]) = (0, 0);
        if (assets > 0) {
            IERC20(asset()).transfer(manager, assets);
            _issue(address(this), controller, assets, bought);
        }
        if (shares > 0) _redeem(address(this), controller, address(this), paid, shares);
    }

    function pendingDepositRequest(uint256, address controller) external view returns (uint256) {
        return _pendingAssets[controller];
    }

    function pendingRedeemRequest(uint256, address controller) external view returns (uint256) {
        return _pendingShares[controller];
    }
}
